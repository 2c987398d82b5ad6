import { concatMap, identity, type MonoTypeOperatorFunction, Observable, tap } from 'rxjs';
import { pull } from '../../core/data/pull.ts';
import type { Batch, Sample } from '../../core/data/sample.ts';
import type { CompiledSegment, Device, SegmentEnded } from '../../core/devices/device.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { MeterSet } from '../../core/meter.ts';
import { sgd } from '../../core/optimizers/index.ts';
import type { TaskEnd, TaskPool, Ticket } from '../../core/pool/taskPool.ts';
import type { PipelineSnapshot } from '../../core/profile/snapshot.ts';
import { uniforms } from '../../core/random.ts';
import type { DecodeInput, DecodeOutput } from '../../core/tasks/decodeImage.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { tiny } from '../../models/tiny.ts';
import { augment, backward, batch, decode, forward, horizontalFlip, metered, optimize, prefetch } from '../../operators/index.ts';
import type { Delays } from './slowTasks/decodeImage.ts';
import type { VirtualMachine } from './virtualMachine.ts';

/** What a pipeline's stages take, in milliseconds. Reading and waiting take no core, nor do the others unless they burn one. */
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
  readonly prefetch?: number;
  readonly pool?: TaskPool;
  /** Decoding, augmenting and the device burn cores, the last one with so many threads. */
  readonly burns?: { readonly deviceThreads: number };
  /** Batches in a row that take four times as long to decode, and as many after them that take a quarter. */
  readonly bursts?: number;
}
export const ordinary = { decode: 4, augment: 2, forward: 0.5, backward: 0.5, workers: 2, batch: 8 } satisfies Planted;

/** Where the time of planted costs passes. */
export type Place = Pick<VirtualMachine, 'sleep' | 'burn' | 'thread' | 'block'>;

/** Threads and timers of this process: a machine that does something else meanwhile disturbs the numbers. */
export const here: Place = {
  sleep: ms => new Promise<void>(resolve => (ms > 0 ? setTimeout(resolve, ms) : resolve())),
  burn: ms => here.sleep(ms),
  thread: () => Promise.reject(new Error('give a pool of threads')),
  block: ms => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
};

/** Runs until `steps` batches have gone through after the first three, and tells what was measured meanwhile. */
export async function measure(planted: Planted, device: Device, steps = 10, place = here): Promise<PipelineSnapshot> {
  const meters = new MeterSet();
  const { workers = 2, batch: size = 8, pool = new PlantedPool(workers, place, planted.burns !== undefined) } = planted;
  const pathOf = (index: number) => {
    // no two samples are alike: a quarter more or less
    const varied = (ms = 0, purpose: number) => ms * (pool instanceof PlantedPool ? 0.75 + 0.5 * uniforms(index, purpose)() : 1);
    const burst = planted.bursts ? [4, 0.25][Math.floor(index / size / planted.bursts) % 2] : 1;
    const delays = { read: varied(planted.read, 0), decode: varied(planted.decode, 1) * burst, augment: varied(planted.augment, 2) };
    return JSON.stringify(delays satisfies Delays);
  };
  const source = pull(
    async function* () {
      for (let index = 0; ; index++) {
        await place.sleep(planted.source ?? 0);
        yield { key: `s${index}`, label: index % 10, index, picture: { kind: 'file', path: pathOf(index) } };
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
          tap(() => place.block(main)),
        )
      : identity,
    waiting ? metered('lookup', waits(place, waiting, 2)) : identity,
    decode({ pool, workers }),
    augment([horizontalFlip()]),
    batch(size),
    prefetch(planted.prefetch ?? 2),
  );
  const slow = new PlantedDevice(device, planted, size, place);
  const model = compile(tiny(), { device: slow, batch: size });
  const consumed: Observable<unknown> = planted.consumer
    ? batches.pipe(waits(place, planted.consumer))
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

/** Holds each value for a while, one after the other; declares so many places. */
function waits<T extends Sample | Batch>(place: Place, ms: number, places?: number): MonoTypeOperatorFunction<T> {
  const wait = (value: T) =>
    new Observable<T>(subscriber => {
      void place.sleep(ms).then(() => {
        subscriber.next(value);
        value.lease.release();
        subscriber.complete();
      });
    });
  const hold = ({ lease }: T) => {
    if (places) lease.demand.declare('waits', places);
    lease.hold();
  };
  return source => source.pipe(tap(hold), concatMap(wait));
}

/** So many tasks at once, in the order of their coming. */
class PlantedPool implements TaskPool {
  readonly #queue: { readonly path: string; readonly done: (end: TaskEnd<never>) => void }[] = [];
  readonly #idle: number[];
  constructor(
    readonly workers: number,
    private readonly place: Place,
    private readonly burns: boolean,
  ) {
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
    const { place, burns } = this;
    const beganMs = performance.now();
    const [readMs, decodeMs, augmentMs] = await place.thread([
      { ms: read, burns: false },
      { ms: own, burns },
      { ms: more, burns },
    ]);
    const busyMs = readMs + decodeMs + augmentMs;
    const value: DecodeOutput = {
      ...{ ok: true, height: 8, width: 8, channels: 3, upright: { height: 8, width: 8 } },
      larger: new SharedArrayBuffer(192),
      times: { readMs, augmentMs },
    };
    this.#idle.push(worker);
    this.#dispatch();
    done({ ok: true, value: value as never, busyMs, beganMs, worker });
  }
  async close(): Promise<void> {}
}

/** Takes its time and computes nothing: the segments of a step come in the order forward, loss, its gradient, backward, update. */
class PlantedDevice implements Device {
  readonly #delays: readonly number[];
  #runs = 0;
  constructor(
    private readonly inner: Device,
    private readonly planted: Planted,
    size: number,
    private readonly place: Place,
  ) {
    this.#delays = [(planted.forward ?? 0) * size, 0, 0, (planted.backward ?? 0) * size, planted.update ?? 0];
  }
  async run(_: CompiledSegment, ended?: SegmentEnded): Promise<void> {
    const part = this.#runs++ % this.#delays.length;
    const { place, planted } = this;
    if (part === 0) await place.sleep(planted.gap ?? 0);
    const began = performance.now();
    const ms = this.#delays[part];
    await (planted.burns ? place.burn(ms / planted.burns.deviceThreads, planted.burns.deviceThreads) : place.sleep(ms));
    ended?.(began, performance.now());
  }
  // the cpu device computes on the main thread, this one elsewhere
  get kind() {
    return 'wasm' as const;
  }
  get description() {
    return this.inner.description;
  }
  get threads() {
    return this.planted.burns?.deviceThreads ?? 0;
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
