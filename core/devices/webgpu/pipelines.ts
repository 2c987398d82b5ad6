import { fail, MillraceError } from '../../errors.ts';
import { type Shader, type ShaderLimits, WgslCompiler } from '../../kernels/gpujsWebgpu.ts';
import { updatedInPlace } from '../checks.ts';
import type { CompiledSegment, DeviceBuffer, PlacedLaunch } from '../device.ts';

export interface BufferBinding {
  readonly label: string;
  readonly memory: GPUBuffer;
  /** Where in the memory it begins. */
  readonly begin: number;
}
interface Pass {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}
interface Program {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Dawn's messages run over several lines, and end with a full stop as ours do. */
export const oneLine = (message: string): string =>
  message
    .trim()
    .replace(/\s*\n[\s-]*/g, ' ')
    .replace(/\.$/, '');

const COMPUTE = 0x4; // GPUShaderStage.COMPUTE

/** Launches with everything made that can be made beforehand: running them is three calls each. */
export class Segment implements CompiledSegment {
  readonly #passes: readonly Pass[];

  constructor(passes: readonly Pass[]) {
    this.#passes = passes;
  }

  get launches(): number {
    return this.#passes.length;
  }

  encode(encoder: GPUCommandEncoder): void {
    const pass = encoder.beginComputePass();
    let current: GPUComputePipeline | undefined;
    for (const { pipeline, bindGroup, groups } of this.#passes) {
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    }
    pass.end();
  }

  /** Launch `index` in a compute pass of its own, the only thing that WebGPU can time. */
  encodeOne(encoder: GPUCommandEncoder, index: number, timestampWrites: GPUComputePassTimestampWrites): void {
    const { pipeline, bindGroup, groups } = this.#passes[index]!;
    const pass = encoder.beginComputePass({ timestampWrites });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups[0], groups[1], groups[2]);
    pass.end();
  }
}

/** Compiles launches to segments. Equal modules are compiled once a device: a network repeats its layers. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #compiler = new WgslCompiler();
  readonly #programs = new Map<string, Promise<Program>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #limits: ShaderLimits;

  /** @param largestBinding bytes that one binding may have: the adapter's limit, or less. */
  constructor(device: GPUDevice, largestBinding: number) {
    this.#device = device;
    const { maxComputeWorkgroupsPerDimension, maxComputeInvocationsPerWorkgroup, maxStorageBuffersPerShaderStage } = device.limits;
    this.#limits = {
      maxComputeWorkgroupsPerDimension,
      maxComputeInvocationsPerWorkgroup,
      maxStorageBuffersPerShaderStage,
      maxStorageBufferBindingSize: largestBinding,
    };
  }

  async compile(launches: readonly PlacedLaunch[], memory: (buffer: DeviceBuffer) => BufferBinding): Promise<Segment> {
    const shaders = launches.map(placed => {
      checkAliases(placed, buffer => memory(buffer).memory);
      checkSizes(placed);
      return labelled(placed.label, () => this.#compiler.compile(placed, this.#limits));
    });
    const programs = await Promise.all(shaders.map((shader, i) => this.#program(shader, launches[i]!.label)));
    const passes: Pass[] = [];
    this.#device.pushErrorScope('validation');
    for (const [i, { label, inputs, output }] of launches.entries()) {
      const { bindings, groups } = shaders[i]!;
      const { pipeline, layout } = programs[i]!;
      const entries = bindings.map(({ array, byteOffset, byteLength }, binding) => {
        const { buffer } = array === 'output' ? output : inputs[array]!;
        const { memory: whole, begin } = memory(buffer);
        return { binding, resource: { buffer: whole, offset: begin + byteOffset, size: byteLength } };
      });
      passes.push({ pipeline, groups, bindGroup: this.#device.createBindGroup({ label, layout, entries }) });
    }
    const error = await this.#device.popErrorScope();
    if (error)
      throw fail('device', 'webgpu', 'buffers that fit their kernels', oneLine(error.message), 'Report this with the plan that caused it.');
    return new Segment(passes);
  }

  #program({ source, bindings }: Shader, label: string): Promise<Program> {
    let program = this.#programs.get(source);
    if (!program) {
      program = this.#build(source, this.#layout(bindings), label);
      this.#programs.set(source, program);
      program.catch(() => this.#programs.delete(source));
    }
    return program;
  }

  async #build(source: string, layout: GPUBindGroupLayout, label: string): Promise<Program> {
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label, code: source });
    const scope = this.#device.popErrorScope();
    const { messages } = await module.getCompilationInfo();
    const errors = messages.filter(message => message.type === 'error');
    const error = await scope;
    if (errors.length > 0 || error) {
      const lines = source.split('\n');
      const found = errors.map(({ lineNum, message }) => `${message} in line ${lineNum}: ${lines[lineNum - 1]?.trim()}`);
      throw fail(
        'state',
        label,
        'WGSL that compiles',
        found.join('; ') || oneLine(error!.message),
        'Check the kernel or its variant against core/kernels/kernel.ts.',
      );
    }
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module },
      });
      return { pipeline, layout };
    } catch (cause) {
      throw fail(
        'device',
        label,
        'a pipeline on this adapter',
        oneLine((cause as Error).message),
        "Check the variant's workgroup size and shared memory.",
        cause,
      );
    }
  }

  #layout(bindings: Shader['bindings']): GPUBindGroupLayout {
    const types = bindings.map(({ array, writes }) => (array === 'output' || writes ? 'storage' : 'read-only-storage'));
    const key = types.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.#device.createBindGroupLayout({
        entries: types.map((type, binding) => ({ binding, visibility: COMPUTE, buffer: { type } })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }
}

/** A binding past the end of its buffer: a hardware adapter runs without the driver's check of it. */
function checkSizes({ label, inputs, output }: PlacedLaunch): void {
  for (const { buffer, length, dtype } of [...inputs, output]) {
    const bytes = length * (dtype === 'u8' ? 1 : 4);
    if (bytes <= buffer.bytes) continue;
    const where = `${label}, tensor "${buffer.label}"`;
    throw fail('state', where, `an array inside its ${buffer.bytes} bytes`, `${bytes} bytes`, 'Place it in a larger buffer.');
  }
}

/** WebGPU refuses a buffer that one launch reads and writes, be it in different places; the plan has made a mistake. */
function checkAliases({ label, launch, inputs, output }: PlacedLaunch, memory: (buffer: DeviceBuffer) => GPUBuffer): void {
  if (inputs.filter(({ buffer }) => memory(buffer) === memory(output.buffer)).length <= updatedInPlace(launch)) return;
  throw fail(
    'state',
    label,
    'an output that is none of the inputs',
    `tensor "${output.buffer.label}" as both`,
    'Place the output elsewhere, or name the argument as inout.',
  );
}

/** Says which launch could not be compiled. */
function labelled<T>(label: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { where, expected, got, fix } = error.complaint;
    throw fail(error.kind, `${label}, ${where}`, expected, got, fix, error);
  }
}
