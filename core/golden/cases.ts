/** Reference cases: tensors and training traces that PyTorch computed, in a folder of three files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, show } from '../errors.ts';
import { readSafetensors, type StoredTensor } from '../formats/safetensors.ts';
import { unreadable } from '../formats/unreadable.ts';
import type { Shape } from '../shape.ts';

/** One op with given inputs: layouts are PyTorch's, the names lead to tensors of the folder. */
export interface GoldenCase {
  readonly case: string;
  readonly op: string;
  readonly attrs: Readonly<Record<string, number | boolean | string>>;
  readonly inputs: Readonly<Record<string, string>>;
  /** `y`, and updated running statistics. */
  readonly outputs: Readonly<Record<string, string>>;
  /** `y` is the gradient that comes in; the others must come out. */
  readonly grads: Readonly<Record<string, string>>;
}

/** A model's inventory under torchvision's names. */
export interface GoldenModel {
  readonly parameters: number;
  readonly state: Readonly<Record<string, Shape>>;
}

/** Full-batch SGD steps from deterministic weights. */
export interface GoldenTraining {
  readonly num_classes: number;
  /** [N,C,H,W]. */
  readonly input: readonly [number, number, number, number];
  readonly seed: number;
  readonly sgd: { readonly lr: number; readonly momentum?: number; readonly weight_decay?: number };
  readonly losses: readonly number[];
  readonly first_step: { readonly logits: readonly number[]; readonly grad_l2: Readonly<Record<string, number>> };
  readonly eval_logits_after: readonly number[];
  readonly param_l2_after: Readonly<Record<string, number>>;
  readonly buffer_l2_after: Readonly<Record<string, number>>;
}

export interface Golden {
  readonly cases: readonly GoldenCase[];
  readonly models: ReadonlyMap<string, GoldenModel>;
  /** By the model's name. */
  readonly training: ReadonlyMap<string, GoldenTraining>;
  tensor(name: string): StoredTensor;
}

/** For every compared tensor its largest error as a share of what is allowed: 1 or less passes. */
export type Errors = Readonly<Record<string, number>>;

/** Reads `ops.json`, `ops.safetensors` and `models.json`; the last may be missing. */
export async function readGolden(dir: string): Promise<Golden> {
  const cases = await readJson<GoldenCase[]>(join(dir, 'ops.json'));
  if (!Array.isArray(cases)) {
    throw fail('data', join(dir, 'ops.json'), 'a list of cases', show(cases).slice(0, 60), 'Make the folder again with generate.py.');
  }
  const file = join(dir, 'ops.safetensors');
  const tensors = readSafetensors(await read(file), file);
  const models = new Map<string, GoldenModel>();
  const training = new Map<string, GoldenTraining>();
  const all = await readJson<Record<string, unknown>>(join(dir, 'models.json'), {});
  for (const [name, entry] of Object.entries(all)) {
    if (name.endsWith('.training')) training.set(name.slice(0, -'.training'.length), entry as GoldenTraining);
    else models.set(name, entry as GoldenModel);
  }
  return {
    cases,
    models,
    training,
    tensor(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw fail('data', file, `the tensor "${name}"`, 'none of that name', 'Make the folder again with generate.py.');
      return tensor;
    },
  };
}

/** Largest |a - b| over the allowed `absolute + relative · max|b|`. Infinite where a value is not finite. */
export function excess(a: ArrayLike<number>, b: ArrayLike<number>, { absolute = 1e-5, relative = 1e-4 } = {}): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let error = 0;
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]));
    const difference = Math.abs(a[i] - b[i]);
    error = difference >= 0 ? Math.max(error, difference) : Number.POSITIVE_INFINITY;
  }
  return error / (absolute + relative * largest);
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, 'a file of the reference folder (ops.json, ops.safetensors, models.json)', error);
  }
}

async function readJson<T>(path: string, missing?: T): Promise<T> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (missing !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    throw unreadable(path, 'a file of the reference folder (ops.json, ops.safetensors, models.json)', error);
  }
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw fail('data', path, 'JSON', (error as Error).message, 'Make the folder again with generate.py.', error);
  }
}
