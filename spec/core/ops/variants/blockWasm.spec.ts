import assert from 'node:assert/strict';
import { primitive } from '../../../../core/ops/index.ts';
import type { Shape } from '../../../../core/shape.ts';
import { agreesWithKernels, type VariantCase } from './agreement.ts';

/** Products that follow one another, pixels of a line, any pixels; ragged in pixels and filters; one input; several blocks. */
const cases: VariantCase[] = [
  ['linear', { features: 8 }, [4, 5]],
  ['linear', { features: 19, bias: false }, [7, 33]],
  ['linear', { features: 15 }, [5, 1]],
  ['linear', { features: 10 }, [66, 250]],
  ['conv2d', { filters: 16, kernel: 3, padding: 1 }, [2, 8, 8, 12]],
  ['conv2d', { filters: 9, kernel: 3, padding: 1, stride: 2 }, [3, 7, 14, 10]],
  ['conv2d', { filters: 11, kernel: 1, bias: false }, [2, 5, 5, 9]],
  ['conv2d', { filters: 8, kernel: 1, stride: 2 }, [2, 6, 7, 8]],
  ['conv2d', { filters: 17, kernel: [1, 4], dilation: 2, padding: 3 }, [1, 3, 9, 8]],
  ['conv2d', { filters: 8, kernel: 3 }, [5, 4, 4, 64]],
];

describe('blockVariant', () => {
  agreesWithKernels(
    cases,
    op => `${op}/wasm-4x8`,
    ({ output, inputGradients }) => [output, inputGradients[0]!],
  );

  it('should leave few pixels, few filters and groups to the kernels', () => {
    const { variants } = primitive('conv2d');
    const applies = (attributes: object, x: Shape, weight: Shape, y: Shape) =>
      variants![0]!.applies({ stride: 1, padding: 0, dilation: 1, groups: 1, ...attributes }, [x, weight], y);
    assert.equal(applies({}, [1, 2, 2, 4], [1, 1, 4, 8], [1, 2, 2, 8]), true);
    assert.equal(applies({}, [1, 1, 3, 4], [1, 1, 4, 8], [1, 1, 3, 8]), false);
    assert.equal(applies({}, [1, 2, 2, 4], [1, 1, 4, 7], [1, 2, 2, 7]), false);
    assert.equal(applies({ groups: 2 }, [1, 2, 2, 4], [1, 1, 2, 16], [1, 2, 2, 16]), false);
  });
});
