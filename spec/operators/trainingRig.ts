import assert from 'node:assert/strict';
import { Observable } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import type { Batch } from '../../core/data/sample.ts';
import type { Device } from '../../core/devices/device.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { type CompiledModel, type CompileOptions, compile } from '../../core/training/compiledModel.ts';
import { tiny } from '../../models/tiny.ts';
import { type FakeBatchOptions, fakeBatch, tensorBytes } from '../trainingFixtures.ts';

/** A model on a device, batches from a demand, and the look afterwards whether everything was given back. */
export class TrainingRig {
  readonly demand = new Demand();
  /** Batches that the source has made, and the most samples that were inside when one entered. */
  made = 0;
  constructor(
    readonly model: CompiledModel,
    private readonly bytes: number,
  ) {}

  /** A cold source of `count` batches in the manner of ours: one enters when there is room. */
  batches(count: number, options: FakeBatchOptions = {}): Observable<Batch> {
    return new Observable(subscriber => {
      const give = async () => {
        for (let index = 0; index < count && !subscriber.closed; index++) {
          while (!this.demand.room && !subscriber.closed) await this.demand.whenRoom();
          if (subscriber.closed) return;
          const batch = fakeBatch({ demand: this.demand, index, seed: index % 3, ...options });
          this.made++;
          subscriber.next(batch);
          batch.lease.release();
          await Promise.resolve();
        }
        subscriber.complete();
      };
      void give();
    });
  }

  /** Nothing inside, no depth left on any meter, the lock free. */
  async clean(): Promise<void> {
    // what was under way when the subscriber left ends first
    (await this.model.lock.acquire())();
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(this.demand.inside, 0, 'samples are still inside');
    for (const { name, depth } of this.demand.meters.all) assert.equal(depth, 0, `${name} still keeps ${depth}`);
    let free = false;
    void this.model.lock.acquire().then(unlock => {
      free = true;
      unlock();
    });
    await new Promise(resolve => setImmediate(resolve));
    assert.ok(free, 'the lock is still held');
  }

  async close(): Promise<void> {
    await this.clean();
    await this.model.destroy();
    assert.equal(tensorBytes(this.model.device), this.bytes);
  }
}

/** One device for a whole spec file, one model and rig a test. */
export function useTraining(): { rig(options?: Partial<CompileOptions>): TrainingRig; device(): Device } {
  let device: Device;
  const rigs: TrainingRig[] = [];
  before(async () => {
    device = await openWasm({ threads: 2 });
  });
  afterEach(async () => {
    for (const rig of rigs.splice(0).reverse()) await rig.close();
  });
  after(() => device.destroy());
  return {
    device: () => device,
    rig(options = {}) {
      const bytes = tensorBytes(device);
      const rig = new TrainingRig(compile(tiny(), { device, batch: 8, seed: 1, ...options }), bytes);
      rigs.push(rig);
      return rig;
    },
  };
}

/** Everything that a stream did, in order. */
export function record<T>(source: Observable<T>): Promise<{ values: T[]; end: 'complete' | 'error'; error?: Error; errors: number }> {
  return new Promise(resolve => {
    const values: T[] = [];
    let errors = 0;
    source.subscribe({
      next: value => values.push(value),
      error: error => {
        errors++;
        // a second one would come at once
        setImmediate(() => resolve({ values, end: 'error', error, errors }));
      },
      complete: () => resolve({ values, end: 'complete', errors }),
    });
  });
}
