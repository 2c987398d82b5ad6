import assert from 'node:assert/strict';
import { primitive } from '../../../../core/ops/index.ts';
import { agreesWithKernels, type VariantCase } from './agreement.ts';

/** One chunk and several, of whole images and of lines, ragged ones; windows that are dense, strided, dilated; one pixel. */
const cases: VariantCase[] = [
  ['linear', { features: 8 }, [5, 12]],
  ['linear', { features: 16 }, [2300, 4]],
  ['conv2d', { filters: 16, kernel: 3, padding: 1 }, [2, 8, 7, 12]],
  ['conv2d', { filters: 8, kernel: 3, padding: 1, stride: 2 }, [45, 9, 11, 4]],
  ['conv2d', { filters: 8, kernel: 1, stride: 2 }, [1, 1, 1, 8]],
  ['conv2d', { filters: 24, kernel: [1, 4], dilation: 2, padding: 3 }, [1, 3, 9, 8]],
  ['conv2d', { filters: 8, kernel: 3 }, [3, 31, 39, 4]],
];

describe('filterBlockVariant', () => {
  agreesWithKernels(
    cases,
    op => `${op}.filterGradient/wasm-4x8`,
    ({ parameterGradients }) => [parameterGradients.weight!],
  );

  it('should leave channels not in fours, filters not in eights and groups to the kernel', () => {
    const { variants } = primitive('conv2d.filterGradient');
    const applies = (groups: number, channels: number, filters: number) =>
      variants![0]!.applies(
        { stride: 1, padding: 0, dilation: 1, groups },
        [
          [1, 3, 3, channels],
          [1, 3, 3, filters],
        ],
        [1, 1, channels / groups, filters],
      );
    assert.equal(applies(1, 4, 8), true);
    assert.equal(applies(1, 3, 8), false);
    assert.equal(applies(1, 4, 12), false);
    assert.equal(applies(2, 8, 16), false);
  });
});
