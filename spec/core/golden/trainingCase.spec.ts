import assert from 'node:assert/strict';
import { compareInventory, excess, fill } from '../../../core/golden/index.ts';
import { tiny } from '../../../models/index.ts';

describe('fill', () => {
  it('should hash as the generator of the references does, in float32 @smoke', () => {
    const values = fill(1_000_001, 7919 * 3 + 5, 0.25);
    // computed by generate.py's fill
    const expected = [0.07830299437046051, 0.04751557856798172, -0.036466773599386215, 0.15273475646972656, -0.11440619081258774];
    assert.deepEqual(
      [0, 1, 2, 999_999, 1_000_000].map(i => values[i]),
      expected,
    );
  });
});

describe('excess', () => {
  it('should be the largest error as a share of what is allowed', () => {
    assert.equal(excess([1, 2], [1, 2]), 0);
    assert.ok(Math.abs(excess([1.0011], [1], { absolute: 1e-4, relative: 1e-3 }) - 1) < 1e-9);
  });

  it('should be infinite for what is not finite or not of one length', () => {
    assert.equal(excess([Number.NaN], [1]), Number.POSITIVE_INFINITY);
    assert.equal(excess([1, 2], [1]), Number.POSITIVE_INFINITY);
  });
});

describe('compareInventory', () => {
  const state = {
    'conv.weight': [8, 3, 3, 3],
    'bn.weight': [8],
    'bn.bias': [8],
    'bn.running_mean': [8],
    'bn.running_var': [8],
    'fc.weight': [10, 32],
    'fc.bias': [10],
  };

  it('should find names and shapes in PyTorch layouts equal', () => {
    assert.deepEqual(compareInventory(tiny(), { parameters: 562, state }), { parameters: 0 });
  });

  it('should name what is missing, left over, misshapen or miscounted', () => {
    const { 'bn.bias': _, ...rest } = state;
    const errors = compareInventory(tiny(), { parameters: 561, state: { ...rest, 'fc.bias': [11], extra: [1] } });
    assert.deepEqual(Object.keys(errors).sort(), ['bn.bias', 'extra', 'fc.bias', 'parameters']);
    assert.ok(Object.values(errors).every(error => error === Number.POSITIVE_INFINITY));
  });
});
