/**
 * The matrix-product core of convolutions and linear layers:
 *
 *   y[m, o] = Σ_{r,t,c} x[window(m) + r·rowStep + t·tapStep + c] · weight[r, t, c, o]
 *
 * m runs over all N·P·Q output pixels. A thread computes four of them for one filter, so that a weight is loaded once
 * for four products, and its neighbours in x load adjacent weights. The input must not need padding (see `rearrange.ts`).
 *
 * Three ways of finding the windows, since their arithmetic is a good part of the work where channels are few: pixels that
 * follow one another in memory (1×1 kernels, linear layers), four neighbours on a line, and any four pixels.
 */
import type { Kernel, KernelThis, Launch, Quad } from '../../kernels/kernel.ts';
import type { Tensor } from '../op.ts';

/** Windows of one run each, one after the other: a plain matrix product. y counts quads of pixels, z is the group. */
function multiply(this: KernelThis, x: Float32Array, weight: Float32Array): Quad {
  // rows past the last pixel repeat it; they are not stored
  const group = this.thread.z * this.constants.channels;
  const a = Math.min(this.thread.y * 4, this.constants.M - 1) * this.constants.right + group;
  const b = Math.min(this.thread.y * 4 + 1, this.constants.M - 1) * this.constants.right + group;
  const c = Math.min(this.thread.y * 4 + 2, this.constants.M - 1) * this.constants.right + group;
  const d = Math.min(this.thread.y * 4 + 3, this.constants.M - 1) * this.constants.right + group;
  let ya = 0.0;
  let yb = 0.0;
  let yc = 0.0;
  let yd = 0.0;
  for (let k = 0; k < this.constants.blocks; k++) {
    const start = k * this.constants.block;
    const from = (this.thread.z * this.constants.run + start) * this.constants.filters + this.thread.x;
    const ta = a + start;
    const tb = b + start;
    const tc = c + start;
    const td = d + start;
    let sa = 0.0;
    let sb = 0.0;
    let sc = 0.0;
    let sd = 0.0;
    for (let i = 0; i < this.constants.block; i++) {
      const w = weight[from + i * this.constants.filters];
      sa += x[ta + i] * w;
      sb += x[tb + i] * w;
      sc += x[tc + i] * w;
      sd += x[td + i] * w;
    }
    ya += sa;
    yb += sb;
    yc += sc;
    yd += sd;
  }
  return [ya, yb, yc, yd];
}

/** Four neighbours on a line. y counts quads of the line's Q pixels, z is group · N·P + line. */
function correlateLine(this: KernelThis, x: Float32Array, weight: Float32Array): Quad {
  const group = Math.floor(this.thread.z / this.constants.lines);
  const line = this.thread.z - group * this.constants.lines;
  const n = Math.floor(line / this.constants.P);
  const begin = n * this.constants.image + (line - n * this.constants.P) * this.constants.down + group * this.constants.channels;
  // pixels past the line's end repeat its last; they are not stored
  const a = begin + this.thread.y * 4 * this.constants.right;
  const b = begin + Math.min(this.thread.y * 4 + 1, this.constants.Q - 1) * this.constants.right;
  const c = begin + Math.min(this.thread.y * 4 + 2, this.constants.Q - 1) * this.constants.right;
  const d = begin + Math.min(this.thread.y * 4 + 3, this.constants.Q - 1) * this.constants.right;
  let ya = 0.0;
  let yb = 0.0;
  let yc = 0.0;
  let yd = 0.0;
  for (let r = 0; r < this.constants.R; r++) {
    for (let t = 0; t < this.constants.taps; t++) {
      const at = r * this.constants.rowStep + t * this.constants.tapStep;
      const tap = (group * this.constants.R + r) * this.constants.taps + t;
      for (let k = 0; k < this.constants.blocks; k++) {
        const start = k * this.constants.block;
        const from = (tap * this.constants.run + start) * this.constants.filters + this.thread.x;
        const ta = a + at + start;
        const tb = b + at + start;
        const tc = c + at + start;
        const td = d + at + start;
        let sa = 0.0;
        let sb = 0.0;
        let sc = 0.0;
        let sd = 0.0;
        for (let i = 0; i < this.constants.block; i++) {
          const w = weight[from + i * this.constants.filters];
          sa += x[ta + i] * w;
          sb += x[tb + i] * w;
          sc += x[tc + i] * w;
          sd += x[td + i] * w;
        }
        ya += sa;
        yb += sb;
        yc += sc;
        yd += sd;
      }
    }
  }
  return [ya, yb, yc, yd];
}

/** Any four pixels. y counts quads of pixels m, z is the group. */
function correlateAny(this: KernelThis, x: Float32Array, weight: Float32Array): Quad {
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
  // window(m) = n·image + p·down + q·right, with the products of the divisions gathered
  const line = this.constants.down - this.constants.Q * this.constants.right;
  const whole = this.constants.image - this.constants.P * this.constants.down;
  const group = this.thread.z * this.constants.channels;
  const a = na * whole + la * line + ma * this.constants.right + group;
  const b = nb * whole + lb * line + mb * this.constants.right + group;
  const c = nc * whole + lc * line + mc * this.constants.right + group;
  const d = nd * whole + ld * line + md * this.constants.right + group;
  let ya = 0.0;
  let yb = 0.0;
  let yc = 0.0;
  let yd = 0.0;
  for (let r = 0; r < this.constants.R; r++) {
    for (let t = 0; t < this.constants.taps; t++) {
      const at = r * this.constants.rowStep + t * this.constants.tapStep;
      const tap = (this.thread.z * this.constants.R + r) * this.constants.taps + t;
      for (let k = 0; k < this.constants.blocks; k++) {
        const start = k * this.constants.block;
        const from = (tap * this.constants.run + start) * this.constants.filters + this.thread.x;
        const ta = a + at + start;
        const tb = b + at + start;
        const tc = c + at + start;
        const td = d + at + start;
        let sa = 0.0;
        let sb = 0.0;
        let sc = 0.0;
        let sd = 0.0;
        for (let i = 0; i < this.constants.block; i++) {
          const w = weight[from + i * this.constants.filters];
          sa += x[ta + i] * w;
          sb += x[tb + i] * w;
          sc += x[tc + i] * w;
          sd += x[td + i] * w;
        }
        ya += sa;
        yb += sb;
        yc += sc;
        yd += sd;
      }
    }
  }
  return [ya, yb, yc, yd];
}

/** y[m, o] += bias[o], in place; x is o, y is m. */
function addBias(this: KernelThis, y: Float32Array, bias: Float32Array): number {
  return y[this.thread.y * this.constants.O + this.thread.x] + bias[this.thread.x];
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

/** Lines are worth their simpler arithmetic while at most a quarter of their quads' pixels lie past the end. */
const mostIdle = 4 / 3;

/**
 * Products that are summed up by themselves before they join the whole sum: rounding errors grow with the square root of
 * both lengths instead of their product's. Short blocks cost time.
 */
function blockOf(run: number): number {
  for (let block = Math.min(run, 96); block >= 24; block--) if (run % block === 0) return block;
  return run;
}

/** y as [groups, N·P·Q, O/groups]: for one group, the output itself. */
export function correlation(name: string, { input, output, kernel, stride, dilation, groups }: Correlation): Kernel {
  const [, height, width, C] = input;
  const [N, P, Q, O] = output;
  const [R, S] = kernel;
  const M = N * P * Q;
  const channels = C / groups;
  const filters = O / groups;
  // adjacent taps of adjacent pixels are one run of memory, in the input and in the filters
  const joined = dilation === 1 && groups === 1;
  const steps = { image: height * width * C, down: stride * width * C, right: stride * C };
  const windows = { rowStep: dilation * width * C, tapStep: dilation * C };
  const run = joined ? S * C : channels;
  const block = blockOf(run);
  const integers = { M, P, Q, R, taps: joined ? 1 : S, run, block, blocks: run / block, ...steps, ...windows, channels, filters };

  const flat = (P === 1 || steps.down === Q * steps.right) && (N === 1 || steps.image === P * Q * steps.right);
  if (R === 1 && integers.taps === 1 && flat) {
    return { name, run: multiply, threads: [filters, Math.ceil(M / 4), groups], rows: M, integers };
  }
  if ((4 * Math.ceil(Q / 4)) / Q <= mostIdle) {
    const lines = N * P;
    return { name, run: correlateLine, threads: [filters, Math.ceil(Q / 4), groups * lines], rows: Q, integers: { ...integers, lines } };
  }
  return { name, run: correlateAny, threads: [filters, Math.ceil(M / 4), groups], rows: M, integers };
}

/** Adds a bias per channel to a tensor [..., O] in place. */
export function biasLaunch(name: string, y: Tensor, bias: Tensor): Launch {
  const O = bias.shape[0];
  const rows = y.shape.reduce((product, size) => product * size, 1) / O;
  return { kernel: { name, run: addBias, threads: [O, rows], integers: { O }, inout: 'y' }, inputs: [y.name, bias.name], output: y.name };
}
