import assert from 'node:assert/strict';
import { closest, didYouMean } from '../../core/closest.ts';

describe('closest', () => {
  it('should find what a mistyped word meant', () => {
    const words = ['resnet18', 'resnet34', 'alexnet', 'tiny'];
    assert.equal(closest('resnet-18', words), 'resnet18');
    assert.equal(closest('AlexNet', words), 'alexnet');
    assert.equal(closest('alxenet', words), 'alexnet');
    assert.equal(closest('tniy', words), 'tiny');
  });

  it('should stay silent when nothing is near', () => {
    assert.equal(closest('vgg16', ['resnet18', 'alexnet']), undefined);
    assert.equal(closest('x', []), undefined);
    assert.equal(didYouMean('vgg16', ['alexnet']), '');
    assert.equal(didYouMean('alexnte', ['alexnet']), 'Did you mean "alexnet"? ');
  });
});
