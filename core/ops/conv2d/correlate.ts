/**
 * The matrix-product core of convolutions and linear layers:
 *
 *   y[m, o] = bias[o] + Σ_{r,t,c} x[window(m) + r·rowStep + t·tapStep + c] · weight[r, t, c, o]
 *
 * m runs over all N·P·Q output pixels. A thread computes four of them for one filter, so that a weight is loaded once
 * for four products, and its neighbours in x load adjacent weights. The input must not need padding (see `rearrange.ts`).
 *
 * What the innermost loop need not compute stands before it: 11.7 instead of 9.4 GFLOP/s in WebAssembly (one Zen 4 thread,
 * 3×3, 64 to 64 channels at 28×28, other work on the machine).
 */
import type { Kernel, KernelThis, Quad } from '../../kernels/kernel.ts';

/** x is o within the group, y counts quads of pixels m, z is the group. */
function correlate(this: KernelThis, x: Float32Array, weight: Float32Array): Quad {
  // rows past the last pixel repeat it; they are not stored
  const ma = Math.min(this.thread.y * 4, this.constants.M - 1);
  const mb = Math.min(this.thread.y * 4 + 1, this.constants.M - 1);
  const mc = Math.min(this.thread.y * 4 + 2, this.constants.M - 1);
  const md = Math.min(this.thread.y * 4 + 3, this.constants.M - 1);
  const la = Math.floor(ma / this.constants.Q);
  const lb = Math.floor(mb / this.constants.Q);
  const lc = Math.floor(mc / this.constants.Q);
  const ld = Math.floor(md / this.constants.Q);
  const na = Math.floor(la / this.constants.P);
  const nb = Math.floor(lb / this.constants.P);
  const nc = Math.floor(lc / this.constants.P);
  const nd = Math.floor(ld / this.constants.P);
  const group = this.thread.z * this.constants.channels;
  const a =
    na * this.constants.image +
    (la - na * this.constants.P) * this.constants.down +
    (ma - la * this.constants.Q) * this.constants.right +
    group;
  const b =
    nb * this.constants.image +
    (lb - nb * this.constants.P) * this.constants.down +
    (mb - lb * this.constants.Q) * this.constants.right +
    group;
  const c =
    nc * this.constants.image +
    (lc - nc * this.constants.P) * this.constants.down +
    (mc - lc * this.constants.Q) * this.constants.right +
    group;
  const d =
    nd * this.constants.image +
    (ld - nd * this.constants.P) * this.constants.down +
    (md - ld * this.constants.Q) * this.constants.right +
    group;
  let ya = 0.0;
  let yb = 0.0;
  let yc = 0.0;
  let yd = 0.0;
  for (let r = 0; r < this.constants.R; r++) {
    for (let t = 0; t < this.constants.taps; t++) {
      const at = r * this.constants.rowStep + t * this.constants.tapStep;
      const tap = (this.thread.z * this.constants.R + r) * this.constants.taps + t;
      const from = tap * this.constants.run * this.constants.filters + this.thread.x;
      const ta = a + at;
      const tb = b + at;
      const tc = c + at;
      const td = d + at;
      for (let i = 0; i < this.constants.run; i++) {
        const w = weight[from + i * this.constants.filters];
        ya += x[ta + i] * w;
        yb += x[tb + i] * w;
        yc += x[tc + i] * w;
        yd += x[td + i] * w;
      }
    }
  }
  return [ya, yb, yc, yd];
}

/** The same with a bias per filter. */
function correlateBias(this: KernelThis, x: Float32Array, weight: Float32Array, bias: Float32Array): Quad {
  const ma = Math.min(this.thread.y * 4, this.constants.M - 1);
  const mb = Math.min(this.thread.y * 4 + 1, this.constants.M - 1);
  const mc = Math.min(this.thread.y * 4 + 2, this.constants.M - 1);
  const md = Math.min(this.thread.y * 4 + 3, this.constants.M - 1);
  const la = Math.floor(ma / this.constants.Q);
  const lb = Math.floor(mb / this.constants.Q);
  const lc = Math.floor(mc / this.constants.Q);
  const ld = Math.floor(md / this.constants.Q);
  const na = Math.floor(la / this.constants.P);
  const nb = Math.floor(lb / this.constants.P);
  const nc = Math.floor(lc / this.constants.P);
  const nd = Math.floor(ld / this.constants.P);
  const group = this.thread.z * this.constants.channels;
  const a =
    na * this.constants.image +
    (la - na * this.constants.P) * this.constants.down +
    (ma - la * this.constants.Q) * this.constants.right +
    group;
  const b =
    nb * this.constants.image +
    (lb - nb * this.constants.P) * this.constants.down +
    (mb - lb * this.constants.Q) * this.constants.right +
    group;
  const c =
    nc * this.constants.image +
    (lc - nc * this.constants.P) * this.constants.down +
    (mc - lc * this.constants.Q) * this.constants.right +
    group;
  const d =
    nd * this.constants.image +
    (ld - nd * this.constants.P) * this.constants.down +
    (md - ld * this.constants.Q) * this.constants.right +
    group;
  const start = bias[this.thread.z * this.constants.filters + this.thread.x];
  let ya = start;
  let yb = start;
  let yc = start;
  let yd = start;
  for (let r = 0; r < this.constants.R; r++) {
    for (let t = 0; t < this.constants.taps; t++) {
      const at = r * this.constants.rowStep + t * this.constants.tapStep;
      const tap = (this.thread.z * this.constants.R + r) * this.constants.taps + t;
      const from = tap * this.constants.run * this.constants.filters + this.thread.x;
      const ta = a + at;
      const tb = b + at;
      const tc = c + at;
      const td = d + at;
      for (let i = 0; i < this.constants.run; i++) {
        const w = weight[from + i * this.constants.filters];
        ya += x[ta + i] * w;
        yb += x[tb + i] * w;
        yc += x[tc + i] * w;
        yd += x[td + i] * w;
      }
    }
  }
  return [ya, yb, yc, yd];
}

/** An input [N,height,width,C] that holds every window whole, the windows, and the filters [groups,R,S,C/groups,O/groups]. */
export interface Correlation {
  readonly input: readonly [number, number, number, number];
  readonly output: readonly [number, number, number, number];
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly dilation: number;
  readonly groups: number;
}

/** y as [groups, N·P·Q, O/groups]: for one group, the output itself. */
export function correlation(name: string, biased: boolean, { input, output, kernel, stride, dilation, groups }: Correlation): Kernel {
  const [, height, width, C] = input;
  const [N, P, Q, O] = output;
  const [R, S] = kernel;
  const M = N * P * Q;
  const channels = C / groups;
  const filters = O / groups;
  // adjacent taps of adjacent pixels are one run of memory, in the input and in the filters
  const joined = dilation === 1 && groups === 1;
  const integers = {
    M,
    P,
    Q,
    R,
    taps: joined ? 1 : S,
    run: joined ? S * C : channels,
    rowStep: dilation * width * C,
    tapStep: dilation * C,
    image: height * width * C,
    down: stride * width * C,
    right: stride * C,
    channels,
    filters,
  };
  return { name, run: biased ? correlateBias : correlate, threads: [filters, Math.ceil(M / 4), groups], rows: M, integers };
}
