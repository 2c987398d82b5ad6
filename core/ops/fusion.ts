/**
 * What the fusion pass (`core/program/fuse.ts`) adds to primitives, as attributes, and the launches that say what they mean. Definitions end
 * with them, so that a fused primitive computes exactly what the separate ones did; a variant takes only those that it lists
 * under `fuses`, and what it does not list goes to the next variant or to the definition.
 */
import type { KernelThis, Launch } from '../kernels/kernel.ts';
import { elements, type Shape } from '../shape.ts';
import type { Cost, Tensor } from './op.ts';

export interface Fused {
  /** `conv2d`, `linear`, `batchNorm2d`, `batchNorm2d.evaluate`: y = max(y, 0) at the end. */
  readonly relu?: boolean;
  /** `batchNorm2d`, `batchNorm2d.evaluate`: the last input, of the output's shape, is added before the rectifier. */
  readonly residual?: boolean;
  /**
   * `batchNorm2d.gradientSums`, `batchNorm2d.inputGradient`: dy counts only where weight · x̂ + bias > 0, which is computed anew
   * from x as the forward pass did. `weight` and `bias` are then among the inputs.
   */
  readonly gate?: boolean;
  /**
   * `conv2d.biasGradient`, `linear.biasGradient`, `batchNorm2d.gradientSums`: the last input is the rectifier's output y. First
   * dy = 0 where y is not above 0, in place: what reads dy afterwards finds the gradient before the rectifier.
   */
  readonly mask?: boolean;
  /**
   * `batchNorm2d.gradientSums` with `mask`: dy is the sum of two gradients, of which the second is the last input; it is added to the
   * first, in place, before that is masked.
   */
  readonly sum?: boolean;
  /** Index of the input whose memory the output takes. Each element is read before it is written, by the same thread. */
  readonly inPlace?: number;
}
export type FusedAttribute = keyof Fused;
export const fusedAttributes: readonly FusedAttribute[] = ['relu', 'residual', 'gate', 'mask', 'sum', 'inPlace'];

/** Those among the attributes of a node. */
export function fusedIn(attributes: unknown): readonly FusedAttribute[] {
  const given = attributes as Readonly<Record<string, unknown>> | undefined;
  return fusedAttributes.filter(name => given?.[name] !== undefined && given[name] !== false);
}

/** (x + |x|) / 2 as in `relu.ts`. */
function rectify(this: KernelThis, y: Float32Array): number {
  return 0.5 * (y[this.thread.x] + Math.abs(y[this.thread.x]));
}
function addTo(this: KernelThis, y: Float32Array, residual: Float32Array): number {
  return y[this.thread.x] + residual[this.thread.x];
}
function addRectified(this: KernelThis, y: Float32Array, residual: Float32Array): number {
  const sum = y[this.thread.x] + residual[this.thread.x];
  return 0.5 * (sum + Math.abs(sum));
}
function maskBy(this: KernelThis, dy: Float32Array, y: Float32Array): number {
  return y[this.thread.x] > 0.0 ? dy[this.thread.x] : 0.0;
}
function addAndMask(this: KernelThis, dy: Float32Array, y: Float32Array, other: Float32Array): number {
  return y[this.thread.x] > 0.0 ? dy[this.thread.x] + other[this.thread.x] : 0.0;
}

/** What a forward primitive's definition ends with: the residual and the rectifier, in place on its output. */
export function epilogue(name: string, y: Tensor, { relu }: Fused, residual?: Tensor): Launch[] {
  const threads = [elements(y.shape)] as const;
  if (residual) {
    const run = relu ? addRectified : addTo;
    const kernel = { name: `${name}.${relu ? 'addRelu' : 'add'}`, run, threads, inout: 'y' };
    return [{ kernel, inputs: [y.name, residual.name], output: y.name }];
  }
  return relu ? [{ kernel: { name: `${name}.relu`, run: rectify, threads, inout: 'y' }, inputs: [y.name], output: y.name }] : [];
}

/** What a masking primitive's definition begins with; `other` is the second gradient of a sum. */
export function maskLaunch(name: string, dy: Tensor, y: Tensor, other?: Tensor): Launch {
  const threads = [elements(dy.shape)] as const;
  const inputs = [dy.name, y.name];
  if (!other) return { kernel: { name: `${name}.mask`, run: maskBy, threads, inout: 'dy' }, inputs, output: dy.name };
  const kernel = { name: `${name}.addMask`, run: addAndMask, threads, inout: 'dy' };
  return { kernel, inputs: [...inputs, other.name], output: dy.name };
}

/** A masking primitive writes dy besides its output. */
export const withMask = ({ flops, bytes }: Cost, { mask, sum }: Fused, dy: Shape): Cost =>
  mask ? { flops: flops + (sum ? 2 : 1) * elements(dy), bytes: bytes + 4 * elements(dy) } : { flops, bytes };
