/**
 * A checkpoint is one safetensors file: parameters and running statistics under torchvision's names and in PyTorch's layouts
 * (OIHW, [out,in]), so that other programs read it; what it takes to run it again stands in the file's metadata.
 */
import { readFile } from 'node:fs/promises';
import type { PipelineState } from '../data/pipelineState.ts';
import type { Normalization } from '../data/sample.ts';
import { fail, show } from '../errors.ts';
import { readSafetensors, safetensorsMetadata, type WritableTensor, writeSafetensors } from '../formats/safetensors.ts';
import { unreadable } from '../formats/unreadable.ts';
import type { Graph } from '../graph/graph.ts';
import { graphFromJson } from '../graph/json.ts';
import type { TensorData } from '../training/torchLayout.ts';

const format = 'millrace-checkpoint/1';
const optimizerFormat = 'millrace-optimizer/1';

/** Where a run stands between two steps. */
export interface Position {
  /** Of the next batch, 0-based. */
  readonly epoch: number;
  /** Updates done. */
  readonly step: number;
  /** Samples of that epoch that have been used up. */
  readonly consumed: number;
  /** Of the data: a source with `from: state` goes on behind what has been used up. */
  readonly state: PipelineState;
}

/** What a checkpoint says beside its tensors. */
export interface CheckpointFacts extends Position {
  /** Its `input` is the size and the channels of the images. */
  readonly graph: Graph;
  readonly classes: readonly string[];
  readonly normalization: Normalization;
  readonly seed: number;
  /** On which it was trained, for people. */
  readonly device: string;
}
export interface Checkpoint extends CheckpointFacts {
  readonly tensors: ReadonlyMap<string, TensorData>;
}

export function checkpointBytes(facts: CheckpointFacts, tensors: ReadonlyMap<string, TensorData>): Uint8Array {
  const { graph, classes, normalization, state, ...rest } = facts;
  return writeSafetensors(asFloat32(tensors), {
    format,
    graph: JSON.stringify(graph),
    classes: JSON.stringify(classes),
    normalization: JSON.stringify(normalization),
    state: JSON.stringify(state),
    ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)])),
  });
}

/** The optimizer's tensors, with the step at which they belong to a checkpoint. */
export function optimizerBytes(step: number, tensors: ReadonlyMap<string, TensorData>): Uint8Array {
  return writeSafetensors(asFloat32(tensors), { format: optimizerFormat, step: String(step) });
}

/** Reads a checkpoint. Throws a MillraceError of kind 'data' for a file that is damaged, or is none of Millrace's. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const bytes = await readWhole(path, 'a checkpoint');
  const metadata = safetensorsMetadata(bytes, path);
  if (metadata.format !== format) {
    const got = metadata.format === undefined ? 'a safetensors file without it' : show(metadata.format);
    throw fail(
      'data',
      path,
      `metadata of format ${format}`,
      got,
      'Weights of another program come in through train: --model NAME --weights FILE.',
    );
  }
  return {
    graph: graphFromJson(text(metadata, 'graph', path), `${path}, graph`),
    classes: json<string[]>(metadata, 'classes', path),
    normalization: json<Normalization>(metadata, 'normalization', path),
    epoch: count(metadata, 'epoch', path),
    step: count(metadata, 'step', path),
    consumed: count(metadata, 'consumed', path),
    state: json<PipelineState>(metadata, 'state', path),
    seed: count(metadata, 'seed', path),
    device: text(metadata, 'device', path),
    tensors: tensorData(bytes, path),
  };
}

/** Reads the optimizer's tensors that belong to a checkpoint of that step. */
export async function readOptimizer(path: string, step: number): Promise<Map<string, TensorData>> {
  const bytes = await readWhole(path, "the optimizer's state");
  const metadata = safetensorsMetadata(bytes, path);
  if (metadata.format !== optimizerFormat || metadata.step !== String(step)) {
    throw fail(
      'data',
      path,
      `the optimizer's state of step ${step}, as the checkpoint beside it`,
      metadata.step === undefined ? 'another file' : `that of step ${metadata.step}`,
      'The two files were not written together: start a new run from the checkpoint with --weights.',
    );
  }
  return tensorData(bytes, path);
}

/** The tensors of any safetensors file as float32: a torchvision checkpoint, for instance. Integer counters are left out. */
export async function readWeights(path: string): Promise<Map<string, TensorData>> {
  return tensorData(await readWhole(path, 'weights in a safetensors file'), path);
}

async function readWhole(path: string, expected: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, expected, error);
  }
}

function tensorData(bytes: Uint8Array, path: string): Map<string, TensorData> {
  const tensors = new Map<string, TensorData>();
  for (const [name, { shape, data }] of readSafetensors(bytes, path)) {
    if (data instanceof Float32Array) tensors.set(name, { shape, data });
  }
  return tensors;
}

function* asFloat32(tensors: ReadonlyMap<string, TensorData>): Generator<readonly [string, WritableTensor]> {
  for (const [name, { shape, data }] of tensors) yield [name, { dtype: 'F32', shape, data }];
}

function text(metadata: Readonly<Record<string, string>>, key: string, path: string): string {
  const value = metadata[key];
  if (value === undefined) throw damaged(path, key, 'nothing');
  return value;
}
function json<T>(metadata: Readonly<Record<string, string>>, key: string, path: string): T {
  const value = text(metadata, key, path);
  try {
    return JSON.parse(value) as T;
  } catch {
    throw damaged(path, key, show(value));
  }
}
function count(metadata: Readonly<Record<string, string>>, key: string, path: string): number {
  const value = text(metadata, key, path);
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw damaged(path, key, show(value));
  return number;
}
const damaged = (path: string, key: string, got: string) =>
  fail(
    'data',
    path,
    `"${key}" in its metadata`,
    got,
    'The file is damaged or was written by another version: train again, or take another checkpoint.',
  );
