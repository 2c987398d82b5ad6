import { type Batch, type CompiledModel, Demand, HeldLeases, hash } from '../../core/index.ts';

/** Images of hashed bytes with labels in turn. */
export function syntheticBatch(model: CompiledModel): Batch {
  const [height, width, channels] = model.graph.input;
  const size = height * width * channels;
  const cells = Array.from({ length: model.batch }, (_, n) => Uint8Array.from({ length: size }, (__, i) => hash(n, i) & 255));
  return {
    cells,
    labels: Int32Array.from(cells, (_, n) => n % model.classes),
    keys: cells.map((_, n) => `synthetic ${n}`),
    indices: Uint32Array.from(cells.keys()),
    count: model.batch,
    height,
    width,
    channels,
    epoch: 0,
    index: 0,
    state: { seed: 0, epoch: 0, position: model.batch - 1 },
    normalization: { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.25) },
    first: { seed: 0, epoch: 0, index: 0 },
    lease: new HeldLeases(new Demand(), () => undefined),
  };
}
