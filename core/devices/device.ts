import type { Launch } from '../kernels/kernel.ts';
import type { VariantLaunch, VariantLimits } from '../kernels/variant.ts';

export type DeviceKind = 'webgpu' | 'webgpu:software' | 'wasm' | 'cpu';

/**
 * A device compiles launches and runs them on buffers that it never allocates by itself.
 *
 * Ordering: `run`, `write` and `read` take effect in the order in which they were called. `run` resolves when the host
 * may write the segment's inputs again; `read` resolves with what every earlier `run` left. Nothing is allocated per call
 * except the array that `read` returns. The host's thread is never blocked for long.
 */
export interface Device {
  readonly kind: DeviceKind;
  /** For people: `wasm, 2 threads, SIMD`, `NVIDIA H200 (Vulkan)`. Printed and stored with every result. */
  readonly description: string;
  readonly threads?: number;
  /** Which hand-written bodies it takes. */
  readonly language: 'wgsl' | 'wasm' | 'none';
  /**
   * Bytes of the largest tensor that a hand-written body may have among its operands; absent if there is no limit. Kernels
   * that gpu.js compiles take larger ones: WebGPU binds those in several ranges, which only our accessors see as one array.
   */
  readonly largestBinding?: number;
  /** What variants may use where it is there: `relaxed-simd`; names of WebGPU features. */
  readonly features?: ReadonlySet<string>;
  /** What WGSL bodies have to fit into. */
  readonly limits?: VariantLimits;
  /** Bytes of memory that hand-written bodies share as scratch, over all threads; part of `allocatedBytes`. */
  readonly scratchBytes?: number;
  /** Bytes that all buffers together, and one alone, may have at most, where that is known. */
  readonly memory?: { readonly total?: number; readonly buffer?: number };
  /** Bytes in buffers now. Zero after `destroy`. */
  readonly allocatedBytes: number;
  /** Rejects when the device is lost; never resolves. */
  readonly lost: Promise<never>;
  allocate(bytes: number, label: string): DeviceBuffer;
  /**
   * `bytes` of a buffer from `byteOffset`, a multiple of `sliceAlignment`, as a buffer of its own. It allocates nothing, lives as
   * long as `buffer`, and freeing it frees nothing.
   */
  slice(buffer: DeviceBuffer, byteOffset: number, bytes: number, label: string): DeviceBuffer;
  compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment>;
  /** `ended` is told once when the device has done it, and when it had been asked or was free to begin; nobody waits for that. */
  run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void>;
  /** Runs a segment and resolves with the milliseconds of each launch, in order. Absent where launches cannot be timed. */
  profile?(segment: CompiledSegment): Promise<readonly number[]>;
  /** The same with when each launch was at work, and each thread in it. Absent where that cannot be told. */
  timeline?(segment: CompiledSegment): Promise<readonly LaunchTimeline[]>;
  /** Copies host data (never shared memory for WebGPU: the device copies first) to the start of a buffer, or to `byteOffset`. */
  write(buffer: DeviceBuffer, data: Float32Array | Uint8Array, byteOffset?: number): void;
  read(buffer: DeviceBuffer, byteLength: number, byteOffset?: number): Promise<Float32Array>;
  free(buffer: DeviceBuffer): void;
  destroy(): Promise<void>;
}

/** Bytes: what WebGPU asks of a binding's offset. */
export const sliceAlignment = 256;

/** In milliseconds of the host's `performance.now()`. */
export interface LaunchTimeline {
  readonly beganMs: number;
  readonly endedMs: number;
  readonly threads: readonly { readonly thread: number; readonly beganMs: number; readonly endedMs: number }[];
}

export interface DeviceBuffer {
  readonly bytes: number;
  readonly label: string;
}
export interface Argument {
  readonly buffer: DeviceBuffer;
  readonly length: number;
  readonly dtype: 'f32' | 'u8';
}
/** A launch with its tensors placed. Inputs and output share no memory, except the `inout` argument with the output. */
export interface PlacedLaunch {
  /** `layer1.0.conv1 conv2d`, for traces and errors. */
  readonly label: string;
  readonly launch: Launch | VariantLaunch;
  readonly inputs: readonly Argument[];
  readonly output: Argument;
}
/** Both of `performance.now()`. */
export type SegmentEnded = (beganMs: number, endedMs: number) => void;
export interface CompiledSegment {
  readonly launches: number;
}
