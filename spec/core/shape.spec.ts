import assert from 'node:assert/strict';
import { elements, same, text, windowOutput } from '../../core/shape.ts';

describe('windowOutput', () => {
  /** input, kernel, stride, padding, dilation, ceil, PyTorch's output. */
  const table: [number, number, number, number, number, boolean, number][] = [
    // convolutions: torchvision's first layers, and He 2015's
    [224, 11, 4, 2, 1, false, 55],
    [227, 11, 4, 0, 1, false, 55],
    [224, 7, 2, 3, 1, false, 112],
    [32, 3, 1, 1, 1, false, 32],
    [32, 3, 2, 1, 1, false, 16],
    [33, 1, 2, 0, 1, false, 17],
    [10, 3, 1, 0, 3, false, 4],
    [10, 3, 2, 2, 2, false, 5],
    [1, 1, 1, 0, 1, false, 1],
    // pools
    [55, 3, 2, 0, 1, false, 27],
    [112, 3, 2, 1, 1, false, 56],
    [112, 3, 2, 0, 1, false, 55],
    [112, 3, 2, 0, 1, true, 56],
    [13, 3, 2, 0, 1, true, 6],
    [6, 3, 2, 0, 1, true, 3],
    [5, 2, 2, 0, 1, true, 3],
    [5, 2, 2, 0, 1, false, 2],
    // ceil mode: a last window that would start behind the input and its left padding is dropped
    [4, 1, 2, 0, 1, true, 2],
    [5, 2, 3, 1, 1, true, 2],
    [3, 2, 3, 1, 1, true, 2],
    [2, 2, 2, 1, 1, true, 2],
  ];
  for (const [input, kernel, stride, padding, dilation, ceil, output] of table) {
    it(`should be ${output} for input ${input}, kernel ${kernel}, stride ${stride}, padding ${padding}, dilation ${dilation}${ceil ? ', ceil' : ''}`, () => {
      assert.equal(windowOutput(input, kernel, stride, padding, dilation, ceil), output);
    });
  }

  it('should count the windows that fit, whatever the sizes', () => {
    for (let input = 1; input <= 12; input++)
      for (let kernel = 1; kernel <= 4; kernel++)
        for (let stride = 1; stride <= 4; stride++)
          for (let padding = 0; padding <= kernel >> 1; padding++) {
            const starts = [...Array(40).keys()].map(i => i * stride - padding);
            const fitting = starts.filter(start => start + kernel <= input + padding).length;
            const where = `input ${input}, kernel ${kernel}, stride ${stride}, padding ${padding}`;
            if (fitting > 0) assert.equal(windowOutput(input, kernel, stride, padding), fitting, where);
            // ceil mode adds at most one, which begins where there is something to see
            const ceil = windowOutput(input, kernel, stride, padding, 1, true);
            if (fitting > 0) assert.ok(ceil === fitting || (ceil === fitting + 1 && starts[fitting]! < input), where);
          }
  });
});

describe('shape', () => {
  it('should count, compare and show', () => {
    assert.deepEqual([elements([2, 3, 4]), elements([]), elements([5, 0])], [24, 1, 0]);
    assert.deepEqual([same([1, 2], [1, 2]), same([1, 2], [2, 1]), same([1], [1, 1])], [true, false, false]);
    assert.equal(text([32, 64, 56, 56]), '[32,64,56,56]');
  });
});
