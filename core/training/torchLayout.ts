import type { Layout } from '../ops/op.ts';
import type { Shape } from '../shape.ts';

/**
 * Between our layouts and PyTorch's, at the border only: filters are OIHW there and HWIO here, linear weights [out,in] and
 * [in,out]. Both are one permutation of axes.
 */
const toTorch: Record<Layout, readonly number[] | undefined> = { filter: [3, 2, 0, 1], matrix: [1, 0], plain: undefined };
const fromTorch: Record<Layout, readonly number[] | undefined> = { filter: [2, 3, 1, 0], matrix: [1, 0], plain: undefined };

export interface TensorData {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** The shape that PyTorch gives a tensor of ours. */
export function torchShape(shape: Shape, layout: Layout): Shape {
  return toTorch[layout]?.map(axis => shape[axis]!) ?? shape;
}
export function toTorchLayout({ shape, data }: TensorData, layout: Layout): TensorData {
  return permute({ shape, data }, toTorch[layout]);
}
export function fromTorchLayout({ shape, data }: TensorData, layout: Layout): TensorData {
  return permute({ shape, data }, fromTorch[layout]);
}

function permute({ shape, data }: TensorData, axes: readonly number[] | undefined): TensorData {
  if (!axes) return { shape, data };
  const size = axes.map(axis => shape[axis]!);
  const strideOf = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  const strides = axes.map(axis => strideOf[axis]!);
  const result = new Float32Array(data.length);
  // axes are few: pad to four so that one loop nest serves both layouts
  const [a, b, c, d] = [1, 1, 1, 1, ...size].slice(-4) as [number, number, number, number];
  const [sa, sb, sc, sd] = [0, 0, 0, 0, ...strides].slice(-4) as [number, number, number, number];
  let at = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++)
      for (let k = 0; k < c; k++) {
        let from = i * sa + j * sb + k * sc;
        for (let l = 0; l < d; l++, from += sd) result[at++] = data[from]!;
      }
  return { shape: size, data: result };
}
