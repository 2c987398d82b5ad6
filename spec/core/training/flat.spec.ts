import assert from 'node:assert/strict';
import { flatRanges } from '../../../core/training/flat.ts';

const parameter = (name: string, ...shape: number[]) => ({ name, shape, layout: 'plain' as const });

describe('flatRanges', () => {
  const parameters = [parameter('a', 3, 5), parameter('b', 64), parameter('c', 65), parameter('d', 1)];

  it('should place parameters one after the other, each where a binding may begin', () => {
    const [range, ...others] = flatRanges(parameters);
    assert.deepEqual(others, []);
    assert.deepEqual(
      range!.members.map(({ name, byteOffset }) => [name, byteOffset]),
      [
        ['a', 0],
        ['b', 256],
        ['c', 512],
        ['d', 1024],
      ],
    );
    assert.equal(range!.bytes, 1280);
  });

  it('should begin another range where one would be too large, and give a parameter that is too large by itself its own', () => {
    const names = (largest: number) =>
      flatRanges(parameters, largest).map(({ bytes, members }) => [bytes, members.map(({ name }) => name).join('')]);
    assert.deepEqual(names(512), [
      [512, 'ab'],
      [512, 'c'],
      [256, 'd'],
    ]);
    assert.deepEqual(names(100), [
      [256, 'a'],
      [256, 'b'],
      [512, 'c'],
      [256, 'd'],
    ]);
    assert.deepEqual(flatRanges([]), []);
  });
});
