import type { CompiledSegment, Device, DeviceBuffer, PlacedLaunch } from '../devices/device.ts';
import { fail, MillraceError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { infer } from '../graph/infer.ts';
import { type PlanOptions, planFor } from '../plan/plan.ts';
import type { CompileOptions } from './compileOptions.ts';
import { ModelMemory } from './modelMemory.ts';
import { modelProgram } from './modelProgram.ts';

/** Devices begin buffers at multiples of it, or closer. */
const ALIGN = 64;
/** For each image, besides what the plan says: the numbers that a loss writes, and the edits of images that are changed on the device. */
const BESIDES = 1024;

/** A device that only counts what is allocated on it: what a plan would need, without needing it. */
class Counter implements Device {
  readonly kind;
  readonly description;
  readonly language;
  readonly largestBinding;
  readonly features;
  readonly limits;
  readonly threads;
  readonly lost = new Promise<never>(() => undefined);
  allocatedBytes = 0;
  scratchBytes = 0;
  largest: { readonly bytes: number; readonly label: string } = { bytes: 0, label: '' };

  constructor(device: Device) {
    ({
      kind: this.kind,
      description: this.description,
      language: this.language,
      largestBinding: this.largestBinding,
      features: this.features,
      limits: this.limits,
    } = device);
    this.threads = device.threads ?? 1;
  }
  allocate(bytes: number, label: string): DeviceBuffer {
    this.allocatedBytes += Math.ceil(bytes / ALIGN) * ALIGN;
    if (bytes > this.largest.bytes) this.largest = { bytes, label };
    return { bytes, label };
  }
  slice(_: DeviceBuffer, __: number, bytes: number, label: string): DeviceBuffer {
    return { bytes, label };
  }
  compile(launches: readonly PlacedLaunch[]): Promise<CompiledSegment> {
    for (const { launch } of launches) {
      const scratch = ('body' in launch && 'scratch' in launch.body && launch.body.scratch) || 0;
      this.scratchBytes = Math.max(this.scratchBytes, this.threads * Math.ceil(scratch / ALIGN) * ALIGN);
    }
    return Promise.resolve({ launches: launches.length });
  }
  run(): Promise<void> {
    throw new Error('nothing runs on a device that counts');
  }
  read(): Promise<Float32Array> {
    throw new Error('nothing is on a device that counts');
  }
  write(): void {}
  free(): void {}
  destroy(): Promise<void> {
    return Promise.resolve();
  }
}

/** In bytes. */
interface Need {
  /** Parameters, state, gradients, and what an optimizer keeps for each parameter. */
  readonly lasting: number;
  readonly activations: number;
  /** The kernels' own. */
  readonly scratch: number;
  readonly largest: { readonly bytes: number; readonly label: string };
}

/** Bytes that training a graph takes on a device, at most: nothing is allocated to find out. */
async function needOf(graph: Graph, batch: number, options: CompileOptions, { lowering, kept }: Asking): Promise<Need> {
  const counter = new Counter(options.device);
  const { parameters } = infer(graph, batch);
  const memory = new ModelMemory(counter, parameters, ({ name, role }) => role === 'parameter' && !options.frozen?.(name));
  const { program, keep } = modelProgram(graph, batch, 'train', options);
  memory.addGradients(program.gradients);
  for (const state of kept) memory.addFlat(`parameters:${state}`, name => `${name}:${state}`);
  const lasting = counter.allocatedBytes;
  await planFor(program, { device: counter, placed: memory.placed, keep, pool: memory.pool, ...lowering });
  const { allocatedBytes, scratchBytes: scratch, largest } = counter;
  return { lasting, activations: allocatedBytes - lasting + batch * BESIDES, scratch, largest };
}

const allOf = ({ lasting, activations, scratch }: Need) => lasting + activations + scratch;

interface Asking {
  /** How kernels are chosen. */
  readonly lowering: Partial<PlanOptions>;
  /** What the optimizer keeps; while nobody knows the optimizer, as the most common one does. */
  readonly kept: readonly string[];
}

/**
 * What to throw in place of an error that a device gave while a model was placed on it: if the model does not fit, how many bytes of what it
 * takes, and the largest batch that would fit; otherwise the error itself.
 */
export async function explainShortage(
  error: unknown,
  graph: Graph,
  options: CompileOptions,
  lowering: Partial<PlanOptions>,
  kept: readonly string[] = ['momentum'],
): Promise<unknown> {
  const { device, batch } = options;
  const { total = Number.POSITIVE_INFINITY, buffer = Number.POSITIVE_INFINITY } = device.memory ?? {};
  if (!(error instanceof MillraceError) || error.kind !== 'device') return error;
  const asking = { lowering, kept };
  const fits = (need: Need) => allOf(need) <= total && need.largest.bytes <= buffer;
  const need = await needOf(graph, batch, options, asking);
  if (fits(need)) return error;

  let [best, tooLarge] = [0, batch];
  while (tooLarge - best > 1) {
    const middle = (best + tooLarge) >> 1;
    if (fits(await needOf(graph, middle, options, asking))) best = middle;
    else tooLarge = middle;
  }
  const all = allOf(need);
  const lasting = ['weights', 'gradients', ...kept];
  const list = `${lasting.slice(0, -1).join(', ')} and ${lasting.at(-1)}`;
  const scratch = need.scratch > 0 ? `, ${size(need.scratch)} for kernels` : '';
  const parts = `${size(need.lasting)} for ${list}, ${size(need.activations)} for activations${scratch}`;
  const [expected, got] =
    all > total
      ? [`at most ${size(total)} in all (${device.description})`, `a need of ${size(all)}: ${parts}`]
      : [
          `at most ${size(buffer)} in one buffer (${device.description})`,
          `${size(need.largest.bytes)} for "${need.largest.label}"; ${parts}`,
        ];
  const fix = best > 0 ? `A batch of ${best} would fit.` : 'No batch would fit: use a smaller model or smaller images.';
  return fail('device', `model "${graph.name}", batch ${batch}`, expected, got, fix, error);
}

/** `3.42 GiB`, `12.0 MiB`. */
function size(bytes: number): string {
  const [value, unit] = bytes >= 2 ** 30 ? [bytes / 2 ** 30, 'GiB'] : [bytes / 2 ** 20, 'MiB'];
  return `${Number(value.toPrecision(3))} ${unit}`;
}
