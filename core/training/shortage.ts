import type { CompiledSegment, Device, DeviceBuffer } from '../devices/device.ts';
import { fail, MillraceError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import { infer } from '../graph/infer.ts';
import { type PlanOptions, planFor } from '../plan/plan.ts';
import type { CompileOptions } from './compileOptions.ts';
import { ModelMemory } from './modelMemory.ts';
import { modelProgram } from './modelProgram.ts';

/** A device that only counts what is allocated on it: what a plan would need, without needing it. */
class Counter implements Device {
  readonly kind;
  readonly description;
  readonly language;
  readonly largestBinding;
  readonly features;
  readonly limits;
  readonly lost = new Promise<never>(() => undefined);
  allocatedBytes = 0;
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
  }
  allocate(bytes: number, label: string): DeviceBuffer {
    this.allocatedBytes += bytes;
    if (bytes > this.largest.bytes) this.largest = { bytes, label };
    return { bytes, label };
  }
  slice(_: DeviceBuffer, __: number, bytes: number, label: string): DeviceBuffer {
    return { bytes, label };
  }
  compile(): Promise<CompiledSegment> {
    return Promise.resolve({ launches: 0 });
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

interface Need {
  /** Parameters, state, gradients, and one more tensor a parameter, as momentum has. */
  readonly lasting: number;
  readonly activations: number;
  readonly largest: { readonly bytes: number; readonly label: string };
}

/** Bytes that training a graph takes on a device, at most: nothing is allocated to find out. */
async function needOf(graph: Graph, batch: number, options: CompileOptions, lowering: Partial<PlanOptions>): Promise<Need> {
  const counter = new Counter(options.device);
  const { parameters } = infer(graph, batch);
  const memory = new ModelMemory(counter, parameters, ({ name, role }) => role === 'parameter' && !options.frozen?.(name));
  const { program, keep } = modelProgram(graph, batch, 'train', options);
  memory.addGradients(program.gradients);
  memory.addFlat('momentum', name => `${name}:momentum`);
  const lasting = counter.allocatedBytes;
  await planFor(program, { device: counter, placed: memory.placed, keep, pool: memory.pool, ...lowering });
  return { lasting, activations: counter.allocatedBytes - lasting, largest: counter.largest };
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
): Promise<unknown> {
  const { device, batch } = options;
  const { total = Number.POSITIVE_INFINITY, buffer = Number.POSITIVE_INFINITY } = device.memory ?? {};
  if (!(error instanceof MillraceError) || error.kind !== 'device') return error;
  const fits = ({ lasting, activations, largest }: Need) => lasting + activations <= total && largest.bytes <= buffer;
  const need = await needOf(graph, batch, options, lowering);
  if (fits(need)) return error;

  let [best, tooLarge] = [0, batch];
  while (tooLarge - best > 1) {
    const middle = (best + tooLarge) >> 1;
    if (fits(await needOf(graph, middle, options, lowering))) best = middle;
    else tooLarge = middle;
  }
  const all = need.lasting + need.activations;
  const parts = `${size(need.lasting)} for weights, gradients and momentum, ${size(need.activations)} for activations`;
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
