import type { Segment } from './pipelines.ts';

/** WebGPU's own numbers, as in `transfers.ts`. */
const RESOLVE = 0x200 | 0x04; // QUERY_RESOLVE | COPY_SRC
const READBACK = 0x01 | 0x08; // MAP_READ | COPY_DST
const MAP_READ = 0x01;
/** Queries in one set, by WebGPU's specification; a launch takes two. */
const MOST_QUERIES = 4096;

/** Times launches by the device's own clock (feature `timestamp-query`): each runs in a compute pass between two timestamps. */
export class Timer {
  readonly #device: GPUDevice;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** Runs a segment and resolves with the milliseconds of each launch, in order. */
  async time(segment: Segment): Promise<readonly number[]> {
    const times: number[] = [];
    const chunk = MOST_QUERIES / 2;
    for (let from = 0; from < segment.launches; from += chunk) {
      times.push(...(await this.#chunk(segment, from, Math.min(chunk, segment.launches - from))));
    }
    return times;
  }

  async #chunk(segment: Segment, from: number, count: number): Promise<number[]> {
    const size = 16 * count;
    const querySet = this.#device.createQuerySet({ type: 'timestamp', count: 2 * count });
    const resolved = this.#device.createBuffer({ label: 'timestamps', size, usage: RESOLVE });
    const staging = this.#device.createBuffer({ label: 'timestamps', size, usage: READBACK });
    try {
      const encoder = this.#device.createCommandEncoder();
      for (let i = 0; i < count; i++) {
        segment.encodeOne(encoder, from + i, { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 });
      }
      encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, size);
      this.#device.queue.submit([encoder.finish()]);
      await staging.mapAsync(MAP_READ);
      const nanoseconds = new BigUint64Array(staging.getMappedRange());
      // a device whose clock starts anew may count backwards: WebGPU says that such a time means nothing
      return Array.from({ length: count }, (_, i) => Math.max(0, Number(nanoseconds[2 * i + 1]! - nanoseconds[2 * i]!) / 1e6));
    } finally {
      for (const used of [querySet, resolved, staging]) used.destroy();
    }
  }
}
