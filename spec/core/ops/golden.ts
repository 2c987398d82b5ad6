import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors, type StoredTensor } from '../../../core/formats/safetensors.ts';
import type { GoldenCase } from '../../../core/golden/cases.ts';
import { type Layer, layers } from '../../../core/golden/layers.ts';
import { ours } from '../../../core/golden/layout.ts';
import type { Shape } from '../../../core/shape.ts';
import { type OpProgram, opProgram } from './opProgram.ts';
import type { Runner } from './run.ts';

export { layers };

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
