import type { FusedAttribute } from '../ops/fusion.ts';
import type { Tensor } from '../ops/op.ts';
import type { Shape } from '../shape.ts';
import type { Launch } from './kernel.ts';

/** A hand-written WGSL compute shader. Its arrays are bound for it; everything else is in `source`. */
export interface WgslBody {
  readonly language: 'wgsl';
  readonly workgroup: readonly [number, number, number];
  readonly groups: readonly [number, number, number];
  /**
   * How the shader sees the launch's inputs, in their order, and then its output: `var<storage, …> NAME : array<ELEMENT>`. An
   * input that is the output's own tensor has no binding: the shader reads it through the output's name.
   */
  readonly arrays: readonly WgslArray[];
  /** `enable` directives, functions, `var<workgroup>`, and an entry point named main. */
  readonly source: string;
}
export interface WgslArray {
  readonly name: string;
  /** `vec4<f32>` needs a tensor whose elements come in fours; bytes (`u8`) are `u32` words. */
  readonly element: 'f32' | 'vec4<f32>' | 'u32' | 'vec4<u32>';
}
/**
 * A call of a routine of `core/assembly`, whose signature is `(start, end, scratch, ...arguments)`: it does the pieces of
 * work from `start` to `end` of `units` independent ones. `scratch` is the address of memory that only this thread uses.
 */
export interface WasmRoutine {
  readonly language: 'wasm';
  /** The exported function. */
  readonly routine: string;
  readonly units: number;
  /** Pieces that a thread takes at a time, at least; many more while there are many left. */
  readonly grain?: number;
  /**
   * The last pieces first: for what reads a tensor that the launch before has just written, or read, from its beginning to its end. Of one
   * that is larger than the cache the end is still there, and by the time that the end has been reached from the beginning it is gone.
   */
  readonly lastFirst?: boolean;
  /** Bytes of scratch that each thread needs. Its contents are undefined at every call. */
  readonly scratch?: number;
  /** What follows `scratch`: addresses of tensors and plain numbers. */
  arguments(place: { readonly inputs: readonly number[]; readonly output: number }): readonly number[];
}
export type VariantBody = WgslBody | WasmRoutine;
/** A launch with a hand-written body for one device. An output that is also among the inputs is updated in place. */
export interface VariantLaunch {
  /** `conv2d.pack`: what it computes, for tables and traces. */
  readonly kernel: { readonly name: string };
  readonly inputs: readonly string[];
  readonly output: string;
  /** Inputs that the body writes besides the output. */
  readonly writes?: readonly string[];
  readonly body: VariantBody;
}

/** What a variant may ask about the run and the device before it applies. */
export interface VariantTerms {
  /** Only results that differ from the definition by the order of sums: no Winograd, no Strassen. */
  readonly exact: boolean;
  /** Features of the device: `relaxed-simd`; `shader-f16`, `subgroups`, … */
  readonly features: ReadonlySet<string>;
  readonly limits: VariantLimits;
  /** Products may round their operands to float16; sums stay float32. */
  readonly mixed?: boolean;
}
/** What a WGSL body has to fit into. */
export interface VariantLimits {
  /** Of `var<workgroup>`, in bytes. */
  readonly workgroupBytes: number;
  /** Threads of a workgroup. */
  readonly invocations: number;
  /** Arrays of one launch, the output among them. */
  readonly storageBuffers: number;
  /** Workgroups along each of x, y, z. */
  readonly groups: number;
  /** Sizes that subgroups may have; absent without the feature `subgroups`. */
  readonly subgroup?: { readonly min: number; readonly max: number };
  /** Products that `chromium-experimental-subgroup-matrix` offers; none without it. */
  readonly subgroupMatrices: readonly SubgroupMatrix[];
}
/** result[M,N] += left[M,K] · right[K,N] by one subgroup. */
export interface SubgroupMatrix {
  /** Of the operands: `f16`, `f32`, … */
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
export interface Variant<A> {
  /** `conv2d/wasm-gemm`: shown in the plan's table. States in its file what it measured, and where. */
  readonly name: string;
  readonly device: 'wasm' | 'webgpu';
  /** The fused attributes that it honours (`core/ops/fusion.ts`): a node with any other is kept from it. None unless given. */
  readonly fuses?: readonly FusedAttribute[];
  /** Shapes it can take; what it cannot goes through the next variant, or the op's own kernel. */
  applies(attributes: A, inputs: readonly Shape[], output: Shape, terms: VariantTerms): boolean;
  lower(context: {
    readonly attributes: A;
    readonly inputs: readonly Tensor[];
    readonly output: Tensor;
    readonly terms: VariantTerms;
    scratch(shape: Shape): Tensor;
  }): (Launch | VariantLaunch)[];
}
