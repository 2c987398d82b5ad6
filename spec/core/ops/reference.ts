/** Layers written down as their definitions say, slowly and in float64, to compare the kernels with. Layouts are ours. */
import { elements, type Shape } from '../../../core/shape.ts';

export interface Windows {
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly padding: number;
  readonly dilation?: number;
  readonly groups?: number;
}

/** Calls back for each output pixel and each cell of its window; `at` is the input pixel, −1 outside the image. */
function eachCell(
  [N, H, W]: Shape,
  [, P, Q]: Shape,
  { kernel: [R, S], stride, padding, dilation = 1 }: Windows,
  visit: (pixel: number, at: number, tap: number, h: number, w: number) => void,
): void {
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++)
        for (let r = 0; r < R; r++)
          for (let s = 0; s < S; s++) {
            const h = p * stride + r * dilation - padding;
            const w = q * stride + s * dilation - padding;
            const inside = h >= 0 && h < H && w >= 0 && w < W;
            visit((n * P + p) * Q + q, inside ? (n * H + h) * W + w : -1, r * S + s, h, w);
          }
}

export function convolve(
  x: ArrayLike<number>,
  input: Shape,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  output: Shape,
  windows: Windows,
): Float64Array {
  const C = input[3];
  const O = output[3];
  const [channels, filters] = [C / (windows.groups ?? 1), O / (windows.groups ?? 1)];
  const y = new Float64Array(elements(output));
  for (let i = 0; bias && i < y.length; i++) y[i] = bias[i % O];
  eachCell(input, output, windows, (pixel, at, tap) => {
    if (at < 0) return;
    for (let o = 0; o < O; o++) {
      const first = Math.floor(o / filters) * channels;
      for (let c = 0; c < channels; c++) y[pixel * O + o] += x[at * C + first + c] * weight[(tap * channels + c) * O + o];
    }
  });
  return y;
}

export function maximum(x: ArrayLike<number>, input: Shape, output: Shape, windows: Windows): Float64Array {
  const C = input[3];
  const y = new Float64Array(elements(output)).fill(Number.NEGATIVE_INFINITY);
  eachCell(input, output, windows, (pixel, at) => {
    for (let c = 0; at >= 0 && c < C; c++) y[pixel * C + c] = Math.max(y[pixel * C + c], x[at * C + c]);
  });
  return y;
}

export function average(x: ArrayLike<number>, input: Shape, output: Shape, windows: Windows, countIncludePad: boolean): Float64Array {
  const [, H, W, C] = input;
  const y = new Float64Array(elements(output));
  const cells = new Float64Array(y.length / C);
  eachCell(input, output, windows, (pixel, at, _, h, w) => {
    // the padded image ends `padding` behind the image: what ceil mode lets hang over is never counted
    if (at >= 0 || (countIncludePad && h < H + windows.padding && w < W + windows.padding)) cells[pixel]++;
    for (let c = 0; at >= 0 && c < C; c++) y[pixel * C + c] += x[at * C + c];
  });
  return y.map((sum, i) => sum / cells[Math.floor(i / C)]);
}
