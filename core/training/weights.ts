import type { Device, DeviceBuffer } from '../devices/device.ts';
import { fail } from '../errors.ts';
import type { Layout } from '../ops/op.ts';
import { elements, type Shape, same, text } from '../shape.ts';
import { fromTorchLayout, type TensorData, torchShape, toTorchLayout } from './torchLayout.ts';

/** A lasting tensor on the device, in our layout. */
export interface Weight {
  readonly name: string;
  readonly shape: Shape;
  readonly layout: Layout;
}

/** Tensors by name in PyTorch's layouts. All are read at one moment, whatever runs meanwhile. */
export async function readWeights(
  device: Device,
  weights: readonly Weight[],
  bufferOf: (name: string) => DeviceBuffer,
): Promise<Map<string, TensorData>> {
  const reads = weights.map(({ name, shape }) => device.read(bufferOf(name), elements(shape) * 4));
  const state = new Map<string, TensorData>();
  for (const [i, { name, shape, layout }] of weights.entries()) state.set(name, toTorchLayout({ shape, data: await reads[i]! }, layout));
  return state;
}

/** Writes tensors that were checked before. */
export function writeWeights(
  device: Device,
  weights: readonly Weight[],
  tensors: ReadonlyMap<string, TensorData>,
  bufferOf: (name: string) => DeviceBuffer,
): void {
  for (const { name, layout } of weights) device.write(bufferOf(name), fromTorchLayout(tensors.get(name)!, layout).data);
}

/** Strict: every tensor must be there with its shape, and none besides (PyTorch's `num_batches_tracked` is ignored). */
export function checkWeights(where: string, weights: readonly Weight[], tensors: ReadonlyMap<string, TensorData>): void {
  const known = new Set(weights.map(({ name }) => name));
  const extra = [...tensors.keys()].filter(name => !known.has(name) && !name.endsWith('.num_batches_tracked'));
  const missing = weights.filter(({ name }) => !tensors.has(name));
  if (missing.length > 0 || extra.length > 0) {
    const list = (names: string[]) => names.slice(0, 3).join(', ') + (names.length > 3 ? `, … (${names.length} in all)` : '');
    const got = [missing.length > 0 && `no ${list(missing.map(({ name }) => name))}`, extra.length > 0 && `also ${list(extra)}`]
      .filter(Boolean)
      .join('; ');
    throw fail('data', where, `exactly its ${known.size} tensors`, got, 'Use a checkpoint of this model, with this number of classes.');
  }
  for (const { name, shape, layout } of weights) {
    const expected = torchShape(shape, layout);
    const tensor = tensors.get(name)!;
    if (same(tensor.shape, expected)) continue;
    throw fail(
      'data',
      `${where}: "${name}"`,
      `shape ${text(expected)}`,
      text(tensor.shape),
      'Use a checkpoint of this model, with this number of classes and channels.',
    );
  }
}
