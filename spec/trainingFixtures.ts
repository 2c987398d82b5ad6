import { Demand } from '../core/data/demand.ts';
import type { Batch, Normalization } from '../core/data/sample.ts';
import { HeldLeases } from '../core/data/sharedLease.ts';
import type { Device } from '../core/devices/device.ts';
import { hash } from '../core/random.ts';

/** Small batches made by hand, and a look at whether everything was given back. */
export interface FakeBatchOptions {
  readonly demand?: Demand;
  readonly count?: number;
  /** [height, width, channels] of each image. */
  readonly size?: readonly [number, number, number];
  readonly classes?: number;
  readonly epoch?: number;
  readonly index?: number;
  /** Decides the pixels and labels. */
  readonly seed?: number;
  readonly labels?: readonly number[];
  readonly normalization?: Normalization;
}

/** A batch whose samples take their places in the demand, as a source's would. */
export function fakeBatch({
  demand = new Demand(),
  count = 8,
  size: [height, width, channels] = [8, 8, 3],
  classes = 10,
  epoch = 0,
  index = 0,
  seed = 0,
  labels,
  normalization = { mean: [0.5], std: [0.25] },
}: FakeBatchOptions = {}): Batch {
  const pixels = height * width * channels;
  const leases = Array.from({ length: count }, () => demand.enter());
  return {
    cells: leases.map((_, i) => Uint8Array.from({ length: pixels }, (_, p) => hash(seed, i, p) & 255)),
    labels: Int32Array.from(labels ?? leases.map((_, i) => hash(seed, i) % classes)),
    keys: leases.map((_, i) => `sample ${i}`),
    indices: Uint32Array.from(leases.keys()),
    count,
    height,
    width,
    channels,
    epoch,
    index,
    state: { seed: 0, epoch, position: (index + 1) * count - 1, consumed: (index + 1) * count, batches: index + 1 },
    normalization,
    first: { seed: 0, epoch: 0, index: 0 },
    lease: new HeldLeases(demand, () => {
      for (const lease of leases) lease.release();
    }),
  };
}

/** Bytes on a device that somebody asked for; what its compute threads share as scratch stays with it. */
export const tensorBytes = ({ allocatedBytes, scratchBytes = 0 }: Device): number => allocatedBytes - scratchBytes;
