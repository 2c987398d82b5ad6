import type { Batch } from '../core/data/sample.ts';
import type { Device } from '../core/devices/device.ts';
import { graph } from '../core/graph/builder.ts';
import { compile } from '../core/training/compiledModel.ts';

/** A model that shows what it is given: normalised pixels of a batch, as [N,H,W,C] in one array. */
export async function showing(device: Device, input: readonly [number, number, number], batch: number) {
  const size = input[0] * input[1] * input[2];
  const g = graph('same', input);
  const model = compile(g.output(g.linear('same', g.flatten('flatten', g.input), { features: size })), { device, batch });
  // flatten goes channel by channel, as PyTorch's: back to pixel by pixel
  const channels = input[2];
  const place = (p: number) => (p % channels) * (size / channels) + Math.floor(p / channels);
  const data = new Float32Array(size * size);
  for (let p = 0; p < size; p++) data[p * size + place(p)] = 1;
  await model.load(
    new Map([
      ['same.weight', { shape: [size, size], data }],
      ['same.bias', { shape: [size], data: new Float32Array(size) }],
    ]),
  );
  const logits = async (each: Batch): Promise<Float32Array> => {
    await model.upload(each, 'evaluate');
    await model.forward('evaluate');
    return model.readLogits();
  };
  return { model, logits };
}
