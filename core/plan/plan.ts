import type { Argument, CompiledSegment, Device, DeviceBuffer, PlacedLaunch } from '../devices/device.ts';
import type { Launch } from '../kernels/kernel.ts';
import type { VariantLaunch } from '../kernels/variant.ts';
import type { Tensor } from '../ops/op.ts';
import type { Program, ProgramNode, Segment, TensorEntry } from '../program/program.ts';
import { elements } from '../shape.ts';
import { inPlace } from './inPlace.ts';
import { bytesOf, type LoweredProgram, lower } from './lower.ts';
import { type Lifetime, placeInArenas, placeInBuffers } from './place.ts';

/**
 * A program compiled for one device and batch size, with every buffer placed before the first pass. Several plans work on
 * the same tensors (training, loss, update, evaluation): what one has placed, the next finds in `placed`.
 */
export interface PlanOptions {
  readonly device: Device;
  /** Tensors that have a buffer already, by name. New lasting tensors are added. */
  readonly placed: Map<string, DeviceBuffer>;
  /** Tensors that other plans or the host use too: they get a buffer of their own, like parameters and results do. */
  readonly keep?: readonly string[];
  /** Shared buffers of another plan that never runs at the same time: taken over where they fit, added to where not. */
  readonly pool?: DeviceBuffer[];
  /** As `LowerOptions.variants`. */
  readonly variants?: boolean | readonly string[];
  readonly exact?: boolean;
  readonly mixed?: boolean;
  /** False gives every result memory of its own. */
  readonly inPlace?: boolean;
}

export interface Plan {
  readonly program: Program;
  readonly lowered: LoweredProgram;
  readonly buffers: ReadonlyMap<string, DeviceBuffer>;
  /** What the tensors lie in: the shared buffers, and those of lasting tensors. */
  readonly memory: readonly DeviceBuffer[];
  /** Bytes that it added to the pool only for temporary tensors inside its kernels. */
  readonly scratchBytes: number;
  segment(name: Segment): CompiledSegment;
  /** The launches of one node alone, compiled when asked for: to find where a number went wrong. */
  compileNode(index: number): Promise<CompiledSegment>;
  /**
   * The same plan with `node` in place of the one of the same output; `added` are inputs that only it reads. All memory but theirs, and
   * that of temporary tensors inside its kernels, is shared, and so are the segments that stay as they are.
   */
  replacing(node: ProgramNode, added: readonly TensorEntry[]): Promise<Plan>;
}

const temporary = new Set(['activation', 'gradient']);

export async function planFor(given: Program, options: PlanOptions): Promise<Plan> {
  const { device, placed, keep = [], pool = [], variants, exact, mixed } = options;
  const { language, largestBinding, features, limits } = device;
  const kept = new Set(keep);
  const lasting = (name: string) =>
    kept.has(name) || placed.has(name) || (given.tensors[name] !== undefined && !temporary.has(given.tensors[name].kind));
  const program = options.inPlace === false ? given : inPlace(given, name => !lasting(name));
  const lowered = lower(program, language, { variants, exact, mixed, largestBinding, features, limits });

  const buffers = new Map<string, DeviceBuffer>();
  const lastingBuffers: DeviceBuffer[] = [];
  const lifetimes = lifetimesOf(lowered, name => !lasting(name), program);
  const sizes = pool.map(buffer => buffer.bytes);
  // WebGPU: a buffer is read or written in one launch, not both
  const whole = language === 'wgsl';
  const { buffers: shared, places, scratchBytes } = (whole ? placeInBuffers : placeInArenas)(lifetimes, sizes);
  shared.forEach((bytes, index) => {
    pool[index] ??= device.allocate(bytes, `activations ${index}`);
  });
  for (const [name, { buffer, offset }] of places) {
    const own = pool[buffer]!;
    const label = `${own.label} at ${offset / 1024} KiB`;
    buffers.set(name, whole ? own : device.slice(own, offset, bytesOf(lowered.tensors.get(name)!), label));
  }
  for (const [name, tensor] of lowered.tensors) {
    if (!lasting(name)) continue;
    let buffer = placed.get(name);
    if (!buffer) {
      buffer = device.allocate(bytesOf(tensor), name);
      placed.set(name, buffer);
    }
    buffers.set(name, buffer);
    lastingBuffers.push(buffer);
  }

  const memory = [...new Set([...[...places.values()].map(({ buffer }) => pool[buffer]!), ...lastingBuffers])];
  const lowerAlike = (part: Program) => lower(part, language, { variants, exact, mixed, largestBinding, features, limits });
  return assemble({ program, lowered, buffers, memory, scratchBytes }, { device, placed, lowerAlike });
}

type Placed = Pick<Plan, 'program' | 'lowered' | 'buffers' | 'memory' | 'scratchBytes'>;
interface Assembling extends Pick<PlanOptions, 'device' | 'placed'> {
  /** As the plan was lowered. */
  readonly lowerAlike: (program: Program) => LoweredProgram;
}

/** Compiles the segments of a program that lies in memory, but those that are there already. */
async function assemble(plan: Placed, given: Assembling, known: ReadonlyMap<Segment, CompiledSegment> = new Map()): Promise<Plan> {
  const { program, lowered, buffers, memory } = plan;
  const { device, placed, lowerAlike } = given;
  const argument = (name: string): Argument => {
    const tensor = lowered.tensors.get(name)!;
    return { buffer: buffers.get(name)!, length: elements(tensor.shape), dtype: tensor.dtype };
  };
  const launchesOf = (chosen: LoweredProgram['nodes']): PlacedLaunch[] =>
    chosen.flatMap(({ node, launches }) =>
      launches.map(launch => ({
        label: `${node.node} ${launch.kernel.name}`.trim(),
        launch,
        inputs: launch.inputs.map(argument),
        output: argument(launch.output),
      })),
    );
  const segments = new Map(known);
  for (const name of ['forward', 'backward', 'update'] as const) {
    const chosen = lowered.nodes.filter(node => node.segment === name);
    if (chosen.length > 0 && !segments.has(name)) segments.set(name, await device.compile(launchesOf(chosen)));
  }
  return {
    ...plan,
    segment(name) {
      const segment = segments.get(name);
      if (!segment) throw new Error(`the plan has no ${name} segment`);
      return segment;
    },
    compileNode: index => device.compile(launchesOf([lowered.nodes[index]!])),
    async replacing(node, added) {
      const index = program.nodes.findIndex(({ output }) => output === node.output);
      const tensors = { ...program.tensors, ...Object.fromEntries(added.map(tensor => [tensor.name, tensor])) };
      const { nodes, tensors: known } = lowerAlike({ ...program, tensors, nodes: [node] });
      // under names that no other node's have, since what is placed is known to all plans
      const own = new Map<string, Tensor>(added.map(tensor => [tensor.name, tensor]));
      const renamed = (name: string): string => {
        if (tensors[name]) return name;
        const unique = `${node.primitive} ${name}`;
        own.set(unique, { ...known.get(name)!, name: unique });
        return unique;
      };
      const lone = { ...nodes[0]!, launches: nodes[0]!.launches.map(launch => renaming(launch, renamed)) };
      const buffers = new Map(plan.buffers);
      for (const [name, tensor] of own) {
        const buffer = placed.get(name) ?? device.allocate(bytesOf(tensor), name);
        placed.set(name, buffer);
        buffers.set(name, buffer);
      }
      const changed: Placed = {
        ...plan,
        program: { ...program, tensors, nodes: program.nodes.with(index, node) },
        lowered: {
          nodes: lowered.nodes.with(index, lone),
          tensors: new Map([...lowered.tensors, ...own]),
        },
        buffers,
        memory: [...new Set([...memory, ...Array.from(own.keys(), name => buffers.get(name)!)])],
      };
      const unchanged = new Map([...segments].filter(([name]) => name !== node.segment));
      return assemble(changed, given, unchanged);
    },
  };
}

/** A launch on tensors of other names. */
function renaming<L extends Launch | VariantLaunch>(launch: L, name: (name: string) => string): L {
  const writes = 'writes' in launch && launch.writes && { writes: launch.writes.map(name) };
  return { ...launch, inputs: launch.inputs.map(name), output: name(launch.output), ...writes };
}

/** First and last launch of each temporary tensor, over all segments in order. */
function lifetimesOf({ nodes, tensors }: LoweredProgram, isTemporary: (name: string) => boolean, program: Program): Lifetime[] {
  const seen = new Map<string, { first: number; last: number }>();
  let time = 0;
  for (const { launches } of nodes) {
    for (const { inputs, output } of launches) {
      for (const name of [...inputs, output]) {
        if (!isTemporary(name)) continue;
        const life = seen.get(name);
        if (life) life.last = time;
        else seen.set(name, { first: time, last: time });
      }
      time++;
    }
  }
  return [...seen].map(([name, life]) => ({ name, bytes: bytesOf(tensors.get(name)!), ...life, scratch: !program.tensors[name] }));
}
