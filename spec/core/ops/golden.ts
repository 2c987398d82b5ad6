import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors, type StoredTensor } from '../../../core/formats/safetensors.ts';
import type { Shape } from '../../../core/shape.ts';
import { type OpProgram, opProgram } from './opProgram.ts';
import type { Runner } from './run.ts';

/** A case of a folder in the format of PyTorch's reference tensors; the names lead to `tensors`. */
export interface GoldenCase {
  readonly case: string;
  readonly op: string;
  readonly attrs: Readonly<Record<string, number | boolean>>;
  readonly inputs: Readonly<Record<string, string>>;
  readonly outputs: Readonly<Record<string, string>>;
  readonly grads: Readonly<Record<string, string>>;
}
export interface Golden {
  readonly cases: readonly GoldenCase[];
  tensor(name: string): StoredTensor;
}

/** Our own references (`generate.py`, seed 2, operators only) unless MILLRACE_GOLDEN names another folder. */
export const goldenFolder = process.env.MILLRACE_GOLDEN ?? join(fileURLToPath(new URL('../../golden', import.meta.url)));

export function readGolden(folder = goldenFolder): Golden {
  const file = join(folder, 'ops.safetensors');
  const tensors = readSafetensors(readFileSync(file), file);
  return {
    cases: JSON.parse(readFileSync(join(folder, 'ops.json'), 'utf8')),
    tensor(name) {
      const tensor = tensors.get(name);
      assert.ok(tensor, `no tensor ${name} in ${file}`);
      return tensor;
    },
  };
}

/** How a reference case maps to one of our layers: its name, attributes, and which of the case's inputs are activations. */
interface Layer {
  readonly op: string;
  readonly activations: readonly string[];
  readonly mode?: 'evaluate';
  attributes(attrs: GoldenCase['attrs'], shapes: Readonly<Record<string, Shape>>): Record<string, unknown>;
}
const pooling = ({ kernel, stride, padding, ceil_mode = false }: GoldenCase['attrs']) => ({ kernel, stride, padding, ceilMode: ceil_mode });
const plain = () => ({});
/** Reference op → layer. Losses and optimizers are no layers: their own specs read their cases. */
export const layers: Readonly<Record<string, Layer>> = {
  conv2d: {
    op: 'conv2d',
    activations: ['x'],
    attributes: (attrs, { weight: [filters, , r, s] }) => ({ ...attrs, filters, kernel: [r, s] }),
  },
  linear: { op: 'linear', activations: ['x'], attributes: (_, { weight: [features] }) => ({ features }) },
  batch_norm_train: { op: 'batchNorm2d', activations: ['x'], attributes: ({ eps, momentum }) => ({ eps, momentum }) },
  batch_norm_eval: { op: 'batchNorm2d', activations: ['x'], mode: 'evaluate', attributes: ({ eps }) => ({ eps }) },
  relu: { op: 'relu', activations: ['x'], attributes: plain },
  max_pool2d: { op: 'maxPool2d', activations: ['x'], attributes: pooling },
  avg_pool2d: {
    op: 'avgPool2d',
    activations: ['x'],
    attributes: attrs => ({ ...pooling(attrs), countIncludePad: attrs.count_include_pad }),
  },
  adaptive_avg_pool2d: { op: 'adaptiveAvgPool2d', activations: ['x'], attributes: ({ output }) => ({ output }) },
  local_response_norm: {
    op: 'localResponseNorm',
    activations: ['x'],
    attributes: ({ size, alpha, beta, k }) => ({ size, alpha, beta, k }),
  },
  add: { op: 'add', activations: ['a', 'b'], attributes: plain },
  concat: { op: 'concat', activations: ['a', 'b'], attributes: plain },
};

/** Activations [N,C,H,W] → [N,H,W,C], filters [O,C,R,S] → [R,S,C,O], matrices [O,I] → [I,O]; the rest stays. */
const orders: Readonly<Record<'activation' | 'parameter', Readonly<Record<number, readonly number[]>>>> = {
  activation: { 4: [0, 2, 3, 1] },
  parameter: { 4: [2, 3, 1, 0], 2: [1, 0] },
};

/** The tensor with its dimensions in another order: dimension i of the result is dimension `order[i]` of the input. */
export function reorder(data: ArrayLike<number>, shape: Shape, order: readonly number[]): { shape: Shape; data: Float64Array } {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
  const result = order.map(i => shape[i]);
  const moved = new Float64Array(data.length);
  for (let at = 0; at < data.length; at++) {
    let rest = at;
    let from = 0;
    for (let i = order.length - 1; i >= 0; i--) {
      from += (rest % result[i]) * strides[order[i]];
      rest = Math.floor(rest / result[i]);
    }
    moved[at] = data[from];
  }
  return { shape: result, data: moved };
}

/** A reference tensor in our layout. */
function ours({ shape, data }: StoredTensor, kind: 'activation' | 'parameter'): { shape: Shape; data: ArrayLike<number> } {
  assert.ok(!(data instanceof BigInt64Array));
  const order = orders[kind][shape.length];
  return order ? reorder(data, shape, order) : { shape, data };
}

/** Runs a case of a layer; gives each compared tensor's largest error as a share of what is allowed. */
export async function checkLayer(golden: Golden, testCase: GoldenCase, run: Runner): Promise<Record<string, number>> {
  const layer = layers[testCase.op];
  const kind = (name: string) => (layer.activations.includes(name) || name === 'y' ? 'activation' : 'parameter');
  const read = (key: string, name: string) => ours(golden.tensor(key), kind(name));
  const torchShapes = Object.fromEntries(Object.entries(testCase.inputs).map(([name, key]) => [name, golden.tensor(key).shape]));
  // one-dimensional activations are matrices of one row to us
  const shapeOf = ({ shape }: { shape: Shape }) => (shape.length === 1 ? [1, ...shape] : shape);
  const inputs = layer.activations.map(name => read(testCase.inputs[name], name));
  const built = opProgram(layer.op, layer.attributes(testCase.attrs, torchShapes), inputs.map(shapeOf), { mode: layer.mode });
  const values: Record<string, ArrayLike<number>> = { dy: read(testCase.grads.y, 'y').data };
  built.inputs.forEach((name, i) => {
    values[name] = inputs[i].data;
  });
  for (const [name, tensor] of Object.entries(built.parameters)) values[tensor] = read(testCase.inputs[name], name).data;

  const results = await run(built.program, values);
  const errors: Record<string, number> = {};
  for (const [name, key] of Object.entries(testCase.outputs)) {
    const tensor = name === 'y' ? built.output : built.parameters[name];
    errors[name] = excess(results[tensor], read(key, name).data);
  }
  for (const [name, key] of Object.entries(testCase.grads)) {
    if (name !== 'y') errors[`d${name}`] = excess(results[gradientName(built, layer, name)], read(key, name).data);
  }
  return errors;
}

function gradientName(built: OpProgram, layer: Layer, name: string): string {
  const input = layer.activations.indexOf(name);
  const tensor = input >= 0 ? built.inputGradients[input] : built.parameterGradients[name];
  assert.ok(tensor, `no gradient of ${name}`);
  return tensor;
}

/** The largest |a − b| over the allowed 1e-5 + 1e-4 · max|b|: 1 or less passes. Infinite where a value is not finite. */
export function excess(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let largest = 0;
  let error = 0;
  for (let i = 0; i < b.length; i++) {
    largest = Math.max(largest, Math.abs(b[i]));
    const difference = Math.abs(a[i] - b[i]);
    error = difference >= 0 ? Math.max(error, difference) : Number.POSITIVE_INFINITY;
  }
  return error / (1e-5 + 1e-4 * largest);
}
