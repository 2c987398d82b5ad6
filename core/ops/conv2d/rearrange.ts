/** Copies that bring a convolution's operands into the order in which its product runs without a branch. */
import type { Kernel, KernelThis, Launch } from '../../kernels/kernel.ts';
import { elements } from '../../shape.ts';
import type { Tensor } from '../op.ts';

type Scratch = (shape: readonly number[]) => Tensor;

/**
 * Moves pixels apart and zeroes everything between and around them: pixel (p,q) goes to row `lead + p·step − trim`.
 * y[n,h,w,c]; x is c, y is w, z is n·height + h.
 */
function spreadPixels(this: KernelThis, x: Float32Array): number {
  const n = Math.floor(this.thread.z / this.constants.height);
  const h = this.thread.z - n * this.constants.height + this.constants.trim - this.constants.leadP;
  const w = this.thread.y + this.constants.trim - this.constants.leadQ;
  let value = 0.0;
  if (h >= 0 && w >= 0) {
    const p = Math.floor(h / this.constants.step);
    const q = Math.floor(w / this.constants.step);
    if (p * this.constants.step === h && q * this.constants.step === w && p < this.constants.P && q < this.constants.Q) {
      value = x[((n * this.constants.P + p) * this.constants.Q + q) * this.constants.C + this.thread.x];
    }
  }
  return value;
}

/** Where `spread` puts the pixels: pixel p in row lead[0] + p·step − trim, pixel q in column lead[1] + q·step − trim. */
export interface Spread {
  readonly height: number;
  readonly width: number;
  readonly step: number;
  readonly lead: readonly [number, number];
  readonly trim: number;
}

/** A launch that spreads the pixels of an image batch into `output` [N,height,width,C]. */
export function spread(name: string, x: Tensor, { height, width, step, lead, trim }: Spread, output: Tensor): Launch {
  const [N, P, Q, C] = x.shape;
  const integers = { height, step, leadP: lead[0], leadQ: lead[1], trim, P, Q, C };
  const kernel: Kernel = { name, run: spreadPixels, threads: [C, width, N * height], integers };
  return { kernel, inputs: [x.name], output: output.name };
}

/** The input with `padding` zeros on every side: itself if there are none. */
export function pad(name: string, x: Tensor, padding: number, scratch: Scratch, launches: Launch[]): Tensor {
  if (padding === 0) return x;
  const [N, H, W, C] = x.shape;
  const [height, width] = [H + 2 * padding, W + 2 * padding];
  const padded = scratch([N, height, width, C]);
  launches.push(spread(name, x, { height, width, step: 1, lead: [padding, padding], trim: 0 }, padded));
  return padded;
}

/** split[group, k, o] = weight[k, group·O/g + o]; x is o within the group, y is k = (r·S + s)·C/g + c, z is the group. */
function splitGroups(this: KernelThis, weight: Float32Array): number {
  return weight[this.thread.y * this.constants.O + this.thread.z * this.constants.filters + this.thread.x];
}

/** The filters [R,S,C/g,O] as [g,R,S,C/g,O/g]: themselves for one group. */
export function splitFilters(name: string, weight: Tensor, groups: number, scratch: Scratch, launches: Launch[]): Tensor {
  if (groups === 1) return weight;
  const O = weight.shape[3];
  const filters = O / groups;
  const K = elements(weight.shape) / O;
  const split = scratch([groups, K, filters]);
  const kernel: Kernel = { name, run: splitGroups, threads: [filters, K, groups], integers: { O, filters } };
  launches.push({ kernel, inputs: [weight.name], output: split.name });
  return split;
}

/**
 * turned[group, tap, o, c] = weight[taps − 1 − tap, c, group·O/g + o]: the filters of the input's gradient.
 * x is c, y is o within the group, z is group·taps + tap.
 */
function turn(this: KernelThis, weight: Float32Array): number {
  const group = Math.floor(this.thread.z / this.constants.taps);
  const tap = this.constants.taps - 1 - (this.thread.z - group * this.constants.taps);
  return weight[(tap * this.constants.channels + this.thread.x) * this.constants.O + group * this.constants.filters + this.thread.y];
}

/** The filters [R,S,C/g,O], turned by 180 degrees and transposed, as [g,R,S,O/g,C/g]. */
export function turnFilters(name: string, weight: Tensor, groups: number, scratch: Scratch, launches: Launch[]): Tensor {
  const [R, S, channels, O] = weight.shape;
  const filters = O / groups;
  const taps = R * S;
  const turned = scratch([groups, taps, filters, channels]);
  const kernel: Kernel = { name, run: turn, threads: [channels, filters, groups * taps], integers: { taps, channels, O, filters } };
  launches.push({ kernel, inputs: [weight.name], output: turned.name });
  return turned;
}

/** y[m, group, o] = x[group, m, o]; x is o within the group, y is m·groups + group. */
function interleave(this: KernelThis, x: Float32Array): number {
  const m = Math.floor(this.thread.y / this.constants.groups);
  const group = this.thread.y - m * this.constants.groups;
  return x[(group * this.constants.M + m) * this.constants.filters + this.thread.x];
}

/** Where a product of `groups` groups goes so that it ends up in `output` [N,P,Q,O]: straight there for one group. */
export function mergeGroups(name: string, output: Tensor, groups: number, scratch: Scratch): { target: Tensor; after: Launch[] } {
  if (groups === 1) return { target: output, after: [] };
  const filters = output.shape[3] / groups;
  const M = elements(output.shape) / output.shape[3];
  const target = scratch([groups, M, filters]);
  const kernel: Kernel = { name, run: interleave, threads: [filters, M * groups], integers: { M, groups, filters } };
  return { target, after: [{ kernel, inputs: [target.name], output: output.name }] };
}
