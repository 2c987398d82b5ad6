import type { Tensor } from '../ops/op.ts';
import type { Shape } from '../shape.ts';
import type { Launch } from './kernel.ts';

/** A hand-written WGSL compute shader. gpu.js writes the bindings (`user_NAME` for inputs, `result`), this is the rest.
 * Lowering keeps it from operands larger than the device's `largestBinding`, whose arrays come in several parts. */
export interface WgslBody {
  readonly language: 'wgsl';
  readonly workgroup: readonly [number, number, number];
  readonly groups: readonly [number, number, number];
  /** From `@compute` on; functions and `var<workgroup>` may stand before it. */
  readonly source: string;
}
/**
 * A routine in WebAssembly text of bytes: `build` gets the byte offsets of inputs and output in the arena and returns a
 * module that imports `env.memory` and exports `run(start, end)` over `units` independent pieces of work.
 */
export interface WasmRoutine {
  readonly language: 'wasm';
  readonly units: number;
  build(place: {
    inputs: readonly number[];
    output: number;
    initialPages: number;
    maximumPages: number;
    shared: boolean;
  }): Uint8Array<ArrayBuffer>;
}
export type VariantBody = WgslBody | WasmRoutine;
/** A launch whose kernel has a hand-written body on one device; `kernel.name`, inputs and output mean what they always mean. */
export interface VariantLaunch extends Launch {
  readonly body: VariantBody;
}

export interface Variant<A> {
  /** `conv2d/wasm-4x8`: shown in the plan's table. States in its file what it measured, and where. */
  readonly name: string;
  readonly device: 'wasm' | 'webgpu';
  /** Shapes it can take; what it cannot goes through the op's own kernel. */
  applies(attributes: A, inputs: readonly Shape[], output: Shape): boolean;
  lower(context: { attributes: A; inputs: readonly Tensor[]; output: Tensor; scratch(shape: Shape): Tensor }): (Launch | VariantLaunch)[];
}
