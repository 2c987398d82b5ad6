import assert from 'node:assert/strict';
import type { VariantLimits } from '../../../../../core/kernels/variant.ts';
import { choose, sliced } from '../../../../../core/ops/variants/wgsl/choose.ts';
import { fold } from '../../../../../core/ops/variants/wgsl/frame.ts';
import { columnsOf, rowsOf } from '../../../../../core/ops/variants/wgsl/operand.ts';
import { product } from '../../../../../core/ops/variants/wgsl/product.ts';
import { sharedBytes, threadsOf, tiles, tilesFor } from '../../../../../core/ops/variants/wgsl/tiles.ts';

/** What every adapter grants, and what NVIDIA's grant. */
const least: VariantLimits = { workgroupBytes: 16_384, invocations: 256, storageBuffers: 8, groups: 65_535, subgroupMatrices: [] };
const large: VariantLimits = { ...least, workgroupBytes: 49_152, invocations: 1024 };

describe('tiles of WGSL products', () => {
  it('should be such that threads share their work evenly @smoke', () => {
    for (const tile of tiles) {
      const { m, n, k, rows, columns } = tile;
      const threads = threadsOf(tile);
      assert.ok(Number.isInteger(Math.log2(threads)) && threads >= 32, `${threads} threads`);
      // a warp covers 4 rows of 8 threads
      assert.ok(m % (4 * rows) === 0 && n % (8 * columns) === 0, `${m} × ${n}`);
      // blocks of 4 × 4, eight neighbours at a time
      assert.ok(k % 4 === 0 && m % 32 === 0 && n % 32 === 0);
      const [a, b] = [(m * k) / 16, (n * k) / 16];
      for (const blocks of [a, b]) assert.ok(blocks % threads === 0 || threads % blocks === 0, `${blocks} blocks`);
    }
  });

  it('should fit every device, the largest with a single buffer on the smallest', () => {
    assert.deepEqual(
      tilesFor(least).map(({ m, n, buffers }) => [m, n, buffers]),
      [
        [128, 128, 1],
        [128, 64, 1],
        [64, 128, 1],
        [64, 64, 2],
        [32, 32, 2],
      ],
    );
    assert.ok(tilesFor(large).every(tile => tile.buffers === 2 && sharedBytes(tile) <= 49_152));
    assert.deepEqual(tilesFor({ ...least, invocations: 128 }).map(threadsOf), [128, 128, 64, 64]);
    assert.deepEqual(tilesFor({ ...least, workgroupBytes: 1024 }), []);
  });
});

describe('choice of a WGSL product', () => {
  const chosen = (M: number, N: number, K: number, units?: number) => {
    const { tile, slices } = choose({ M, N, K }, large, units)!;
    return [tile.m, tile.n, slices];
  };

  it('should take the largest tile that keeps every compute unit busy twice', () => {
    // ResNet-50 at batch 64: 1 × 1 convolutions of stages 1 to 4, then the 3 × 3 of the last
    assert.deepEqual(chosen(200_704, 256, 64), [128, 128, 1]);
    assert.deepEqual(chosen(50_176, 512, 128), [128, 128, 1]);
    assert.deepEqual(chosen(12_544, 256, 1024), [128, 64, 1]);
    assert.deepEqual(chosen(3136, 512, 4608), [64, 64, 1]);
    // a smaller device
    assert.deepEqual(chosen(3136, 512, 4608, 40), [128, 128, 1]);
  });

  it('should not waste half a tile at the edge', () => {
    assert.deepEqual(chosen(200_704, 64, 576), [128, 64, 1]);
    assert.deepEqual(chosen(64, 200_704, 576), [64, 128, 1]);
  });

  it('should cut long sums into slices where outputs are few', () => {
    // filter gradients: one tile of 64 × 64, then a row of them
    assert.deepEqual(chosen(64, 64, 200_704), [64, 64, 262]);
    assert.deepEqual(chosen(576, 64, 200_704), [128, 64, 53]);
    // a classifier at batch 16, and what is too short to be cut
    assert.deepEqual(chosen(16, 1000, 2048), [32, 32, 9]);
    assert.deepEqual(chosen(16, 10, 64), [32, 32, 1]);
  });

  it('should leave no slice empty', () => {
    for (const K of [1, 16, 17, 100, 1000, 12_345]) {
      for (const slices of [1, 2, 3, 7, 50, 1000]) {
        const { tile, depth, slices: count } = sliced(tiles[0]!, { M: 1, N: 1, K }, slices);
        assert.ok(count <= Math.max(slices, 1) && count * depth * tile.k >= K && (count - 1) * depth * tile.k < K, `${K} in ${slices}`);
      }
    }
  });
});

describe('launch of a WGSL product', () => {
  it('should fold workgroups that are too many for one dimension @smoke', () => {
    assert.deepEqual(fold(65_535, 65_535), [65_535, 1, 1]);
    assert.deepEqual(fold(65_536, 65_535), [32_768, 2, 1]);
    assert.deepEqual(fold(1_000_003, 65_535), [62_501, 16, 1]);
  });

  it('should have one workgroup a tile and slice, with vec4s where rows come in fours', () => {
    const body = (M: number, N: number, K: number, slices = 1) =>
      product(
        {
          size: { M, N, K },
          choice: sliced(tiles.at(-1)!, { M, N, K }, slices),
          a: rowsOf('a', M, K),
          b: columnsOf('b', N, K),
          bias: true,
          relu: false,
        },
        least,
      );
    assert.deepEqual(body(33, 65, 50).groups, [6, 1, 1]);
    assert.deepEqual(body(33, 65, 50, 2).groups, [12, 1, 1]);
    assert.deepEqual(
      body(33, 65, 50).arrays.map(({ name, element }) => `${name} ${element}`),
      ['a f32', 'b f32', 'bias f32', 'result f32'],
    );
    assert.deepEqual(
      body(33, 68, 52).arrays.map(({ element }) => element),
      Array(4).fill('vec4<f32>'),
    );
    // slices have no bias yet
    assert.deepEqual(
      body(33, 68, 50, 2).arrays.map(({ name }) => name),
      ['a', 'b', 'result'],
    );
    // 70,000 tiles
    assert.deepEqual(body(32 * 70_000, 32, 16).groups, [35_000, 2, 1]);
  });
});
