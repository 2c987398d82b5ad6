import { concatMap, identity, type MonoTypeOperatorFunction, map, Observable, tap } from 'rxjs';
import { pull } from '../../core/data/pull.ts';
import type { Batch, Sample } from '../../core/data/sample.ts';
import type { CompiledSegment, Device, SegmentEnded } from '../../core/devices/device.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { MeterSet } from '../../core/meter.ts';
import { sgd } from '../../core/optimizers/index.ts';
import type { TaskEnd, TaskPool, Ticket } from '../../core/pool/taskPool.ts';
import type { PipelineSnapshot } from '../../core/profile/snapshot.ts';
import type { DecodeInput, DecodeOutput } from '../../core/tasks/decodeImage.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { tiny } from '../../models/tiny.ts';
import { augment, backward, batch, decode, forward, horizontalFlip, metered, optimize, prefetch } from '../../operators/index.ts';
import type { Delays } from './slowTasks/decodeImage.ts';

/** Milliseconds that a pipeline sleeps at each of its stages. Sleep takes no core, so a busy machine changes little. */
export interface Planted extends Delays {
  readonly source?: number;
  /** In a `map` on the main thread, and in a stage that waits for something. */
  readonly main?: number;
  readonly waiting?: number;
  /** A sample. */
  readonly forward?: number;
  readonly backward?: number;
  /** A step: on the device, and between its kernels. */
  readonly update?: number;
  readonly gap?: number;
  /** Between a batch's arrival at the consumer and its leave, in place of a model. */
  readonly consumer?: number;
  readonly workers?: number;
  readonly batch?: number;
  readonly pool?: TaskPool;
}
export const ordinary = { decode: 4, augment: 2, forward: 0.5, backward: 0.5, workers: 2, batch: 8 } satisfies Planted;

export const sleep = (ms: number) => new Promise<void>(resolve => (ms > 0 ? setTimeout(resolve, ms) : resolve()));

/** Runs until `steps` batches have gone through after the first three, and tells what was measured meanwhile. */
export async function measure(planted: Planted, device: Device, steps = 10): Promise<PipelineSnapshot> {
  const meters = new MeterSet();
  const { workers = 2, batch: size = 8, pool = new SleepingPool(workers) } = planted;
  const path = JSON.stringify({ read: planted.read, decode: planted.decode, augment: planted.augment } satisfies Delays);
  const source = pull(
    async function* () {
      for (let index = 0; ; index++) {
        await sleep(planted.source ?? 0);
        yield { key: `s${index}`, label: index % 10, index, picture: { kind: 'file', path } };
      }
    },
    { meters },
  );
  const main = planted.main ?? 0;
  const waiting = planted.waiting ?? 0;
  const batches = source.pipe(
    main
      ? metered(
          'filters',
          map(sample => block(sample, main)),
        )
      : identity,
    waiting ? metered('lookup', waits(waiting, 2)) : identity,
    decode({ pool, workers }),
    augment([horizontalFlip()]),
    batch(size),
    prefetch(2),
  );
  const sleepy = new SleepyDevice(device, planted, size);
  const model = compile(tiny(), { device: sleepy, batch: size });
  const consumed: Observable<unknown> = planted.consumer
    ? batches.pipe(waits(planted.consumer))
    : batches.pipe(forward(model), backward(crossEntropy()), optimize(sgd({ lr: 0.01 })));
  try {
    return await new Promise<PipelineSnapshot>((resolve, reject) => {
      let step = 0;
      let before: ReturnType<MeterSet['read']>;
      const subscription = consumed.subscribe({
        next() {
          step++;
          if (step === 3) before = meters.read();
          if (step !== 3 + steps) return;
          resolve(meters.snapshot(before));
          subscription.unsubscribe();
        },
        error: reject,
      });
    });
  } finally {
    await model.destroy();
  }
}

/** The main thread stands still, and burns nothing. */
function block<T>(value: T, ms: number): T {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return value;
}

/** Holds each value for a while, one after the other; declares so many places. */
function waits<T extends Sample | Batch>(ms: number, places?: number): MonoTypeOperatorFunction<T> {
  const wait = (value: T) =>
    new Observable<T>(subscriber => {
      const timer = setTimeout(() => {
        subscriber.next(value);
        value.lease.release();
        subscriber.complete();
      }, ms);
      return () => clearTimeout(timer);
    });
  const hold = ({ lease }: T) => {
    if (places) lease.demand.declare('waits', places);
    lease.hold();
  };
  return source => source.pipe(tap(hold), concatMap(wait));
}

/** So many timers at once, in the order of their coming. */
export class SleepingPool implements TaskPool {
  readonly #queue: { readonly path: string; readonly done: (end: TaskEnd<never>) => void }[] = [];
  readonly #idle: number[];
  constructor(readonly workers: number) {
    this.#idle = Array.from({ length: workers }, (_, i) => i + 1);
  }
  submit<Input, Output>(_task: string, input: Input, done: (end: TaskEnd<Output>) => void): Ticket {
    const { picture } = input as DecodeInput;
    const call = { path: picture.kind === 'file' ? picture.path : '{}', done: done as (end: TaskEnd<never>) => void };
    this.#queue.push(call);
    this.#dispatch();
    return {
      cancel: () => {
        const at = this.#queue.indexOf(call);
        if (at >= 0) this.#queue.splice(at, 1);
        return at >= 0;
      },
    };
  }
  #dispatch(): void {
    while (this.#queue.length > 0 && this.#idle.length > 0) void this.#work(this.#queue.shift()!, this.#idle.pop()!);
  }
  async #work({ path, done }: { readonly path: string; readonly done: (end: TaskEnd<never>) => void }, worker: number): Promise<void> {
    const { read = 0, decode: own = 0, augment: more = 0 } = JSON.parse(path) as Delays;
    const beganMs = performance.now();
    await sleep(read + own + more);
    const busyMs = performance.now() - beganMs;
    const part = (ms: number) => (busyMs * ms) / Math.max(read + own + more, 1e-9);
    const value: DecodeOutput = {
      ...{ ok: true, height: 8, width: 8, channels: 3, upright: { height: 8, width: 8 } },
      larger: new SharedArrayBuffer(192),
      times: { readMs: part(read), augmentMs: part(more) },
    };
    this.#idle.push(worker);
    this.#dispatch();
    done({ ok: true, value: value as never, busyMs, beganMs, worker });
  }
  async close(): Promise<void> {}
}

/** Another device that takes its time: the segments of a step come in the order forward, loss, its gradient, backward, update. */
class SleepyDevice implements Device {
  readonly #delays: readonly number[];
  #runs = 0;
  constructor(
    private readonly inner: Device,
    private readonly planted: Planted,
    size: number,
  ) {
    this.#delays = [(planted.forward ?? 0) * size, 0, 0, (planted.backward ?? 0) * size, planted.update ?? 0];
  }
  async run(segment: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    const place = this.#runs++ % this.#delays.length;
    if (place === 0) await sleep(this.planted.gap ?? 0);
    const began = performance.now();
    await this.inner.run(segment);
    await sleep(this.#delays[place]);
    ended?.(began, performance.now());
  }
  get kind() {
    return this.inner.kind;
  }
  get description() {
    return this.inner.description;
  }
  get threads() {
    return this.inner.threads;
  }
  get language() {
    return this.inner.language;
  }
  get features() {
    return this.inner.features;
  }
  get allocatedBytes() {
    return this.inner.allocatedBytes;
  }
  get lost() {
    return this.inner.lost;
  }
  allocate: Device['allocate'] = (...given) => this.inner.allocate(...given);
  slice: Device['slice'] = (...given) => this.inner.slice(...given);
  compile: Device['compile'] = (...given) => this.inner.compile(...given);
  write: Device['write'] = (...given) => this.inner.write(...given);
  read: Device['read'] = (...given) => this.inner.read(...given);
  free: Device['free'] = (...given) => this.inner.free(...given);
  destroy: Device['destroy'] = () => this.inner.destroy();
}
