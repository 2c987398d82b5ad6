import { PipelineClock } from './profile/clock.ts';
import type { DeviceMeter } from './profile/deviceMeter.ts';
import { Histogram } from './profile/histogram.ts';
import type { Account } from './profile/mainThread.ts';
import { type MeterReading, type PipelineReading, pipelineSnapshot, stageSnapshot } from './profile/reading.ts';
import type { PipelineSnapshot, Place, StageSnapshot } from './profile/snapshot.ts';
import { Timeline } from './profile/timeline.ts';
import type { Trace } from './profile/trace.ts';
import { WorkerMeter } from './profile/workerMeter.ts';

/**
 * Every stage reports through one small meter; the profiler, the progress line and the dashboard read the same ones, and no stage
 * knows who reads. Items are samples: a batch of 32 counts 32. Counting allocates nothing.
 *
 * Every item comes in by `enter`, and goes by `leave` or `drop` with the time that `enter` gave: depth, latency and conservation
 * follow from that. Work on the main thread is charged to `main` (see profile/mainThread.ts), other work is added to `busyMs`.
 */
export class Meter {
  itemsIn = 0;
  itemsOut = 0;
  dropped = 0;
  /** Of these, how many were inside when the pipeline was left. */
  returned = 0;
  bytes = 0;
  /** Where it works, and how many of its items at once (worker threads). */
  runs: Place = 'main';
  parallel = 1;
  /** It works only inside `next`: what stands still then is the stage before or after it. */
  passive = false;
  /** Work where it runs, unless that is the main thread; summed over parallel workers, in milliseconds. */
  busyMs = 0;
  /** Its work on the main thread. */
  readonly main: Account = { ms: 0 };
  /** Operators that are no stages, between this stage and the next one. */
  readonly behind: Account = { ms: 0 };
  /** Items kept now, and at most. */
  depth = 0;
  peakDepth = 0;
  readonly latency = new Histogram();
  /** How many items went which way, where there are several: what decoded them. */
  readonly ways = new Map<string, number>();
  #workers: WorkerMeter | undefined;
  #waits = { upstream: 0, downstream: 0 };
  /** Why its servers stand still when they do. */
  #reason: 'upstream' | 'downstream' = 'upstream';
  /** Whether it does, where it says so itself; else it does while it keeps fewer items than it could work on. */
  #standing: boolean | undefined;
  /** Depth × time, and the sum of the times at which those inside came in. */
  #area = 0;
  #entered = 0;
  #since: number;
  readonly #began: number;
  #busyByDepth = false;
  readonly #timeline: Timeline;

  constructor(
    readonly name: string,
    /** What it may keep at most, for the table. */
    public bound: number | undefined = undefined,
    private readonly clock = runningClock(),
  ) {
    this.#since = clock.now();
    this.#began = this.#since;
    this.#timeline = new Timeline(this.#since);
  }

  /** Items come in. Returns when, for `leave`. */
  enter(count: number): number {
    this.clock.hold(count);
    const now = this.#advance();
    this.itemsIn += count;
    this.depth += count;
    this.#entered += now * count;
    if (this.depth > this.peakDepth) this.peakDepth = this.depth;
    return now;
  }

  /** They go out. */
  leave(count: number, enteredMs: number): void {
    this.itemsOut += count;
    this.#gone(count, enteredMs);
  }

  /** They will never go out. */
  drop(count: number, enteredMs: number): void {
    this.dropped += count;
    this.#gone(count, enteredMs);
  }

  /** One more item went this way. */
  went(way: string): void {
    this.ways.set(way, (this.ways.get(way) ?? 0) + 1);
  }

  /** In and out at once, or after a time that is known only now: `tookMs` ago they came in. */
  pass(count: number, tookMs = 0): void {
    this.itemsIn += count;
    this.itemsOut += count;
    this.#area += count * tookMs;
    this.latency.record(tookMs, count);
  }

  /** They will not either: whoever takes what comes out has left, or the pipeline failed. */
  giveBack(count: number, enteredMs: number): void {
    this.returned += count;
    this.drop(count, enteredMs);
  }

  #gone(count: number, enteredMs: number): void {
    const now = this.#advance();
    this.depth -= count;
    this.#entered -= enteredMs * count;
    this.latency.record(now - enteredMs, count);
    this.clock.release(count);
  }

  /** Brings what depends on time up to now. */
  #advance(): number {
    const now = this.clock.now();
    const since = this.#since;
    if (now > since) {
      this.#area += this.depth * (now - since);
      this.#timeline.add(this.depth, since, now);
      if (this.#busyByDepth) this.busyMs += Math.min(this.parallel, this.depth) * (now - since);
      const idle = this.#standing === undefined ? Math.max(0, this.parallel - this.depth) : this.#standing ? this.parallel : 0;
      if (idle > 0) this.#waits[this.#reason] += idle * (now - since);
      this.#since = now;
    }
    return now;
  }

  /** It is at work whenever it keeps items, on as many at once as it can: all that is known of an operator that waits for something. */
  worksByDepth(): void {
    this.#advance();
    this.runs = 'alone';
    this.#busyByDepth = true;
  }

  /** Its servers stand still from now on; a stage that says this says `works` too. */
  stands(reason: 'upstream' | 'downstream'): void {
    this.#advance();
    this.#standing = true;
    this.#reason = reason;
  }
  works(): void {
    this.#advance();
    this.#standing = false;
  }
  /** Why its servers stand still whenever it keeps fewer items than they could work on. */
  set starvedBy(reason: 'upstream' | 'downstream') {
    if (reason === this.#reason) return;
    this.#advance();
    this.#reason = reason;
  }

  /** Worker threads report here. */
  get workers(): WorkerMeter {
    this.#workers ??= new WorkerMeter();
    return this.#workers;
  }

  /** Since it was made. */
  snapshot(): StageSnapshot {
    return stageSnapshot(this.read(), Math.max(this.clock.now() - this.#began, 1e-9), this.#began);
  }

  read(): MeterReading {
    const now = this.#advance();
    const { itemsIn, itemsOut, dropped, returned, bytes, runs, parallel, passive, busyMs, depth, peakDepth, bound, name } = this;
    return {
      ...{ name, itemsIn, itemsOut, dropped, returned, bytes, runs, parallel, passive, busyMs, depth, peakDepth, bound },
      mainMs: this.main.ms,
      behindMs: this.behind.ms,
      waitUpstreamMs: this.#waits.upstream,
      waitDownstreamMs: this.#waits.downstream,
      areaMs: this.#area,
      heldMs: depth > 0 ? Math.max(0, depth * now - this.#entered) : 0,
      latency: this.latency.read(),
      depthOverTime: since => this.#timeline.read(now, since),
      workers: this.#workers?.read(),
      ways: Object.fromEntries(this.ways),
    };
  }
}

/** For a meter outside of any pipeline. */
function runningClock(): PipelineClock {
  const clock = new PipelineClock();
  clock.hold();
  return clock;
}

/** What is bounded: read when someone asks. */
export interface Places {
  readonly inside: number;
  readonly peak: number;
  readonly bound: number;
  readonly declared: Readonly<Record<string, number>>;
}
export interface Cells {
  readonly cells: number;
  readonly inUse: number;
  readonly bytes: number;
}

/** The meters of one pipeline, in the order in which its stages first saw an item. Travels with the samples (`lease.demand.meters`). */
export class MeterSet {
  readonly clock = new PipelineClock();
  /** Gets every span of what is worked on, if somebody wants a timeline: put one in before the pipeline runs. */
  trace: Trace | undefined;
  readonly #meters = new Map<string, Meter>();
  /** Those of the last source that was subscribed to, and the cells and the model that the pipeline uses. */
  places: Places | undefined;
  slots: Cells | undefined;
  device: DeviceMeter | undefined;
  /** The numbers when the pipeline had got going: worker threads started, kernels compiled. Undefined before that. */
  warm: PipelineReading | undefined;
  #passes = 0;
  #deviceBefore: ReturnType<DeviceMeter['read']> | undefined;
  #pausedSince: number | undefined;

  /** The meter of that name, made at first use. */
  stage(name: string): Meter {
    let meter = this.#meters.get(name);
    if (!meter) {
      meter = new Meter(name, undefined, this.clock);
      this.#meters.set(name, meter);
    }
    return meter;
  }
  get all(): readonly Meter[] {
    return [...this.#meters.values()];
  }

  /** A pass with this model begins: what its device did before the first one is not counted. */
  uses(device: DeviceMeter): void {
    if (++this.#passes === 2) this.warm = this.read();
    // an evaluation in between has had it for itself
    device.trace = this.trace;
    if (this.device === device) return;
    this.device = device;
    this.#deviceBefore = device.read();
  }

  /**
   * The pipeline is kept from its next step: until `resume`, time passes for no stage and for no gap of the device's. What the stages
   * still do until they are full is counted, as it is needed later.
   */
  pause(): void {
    this.#pausedSince ??= performance.now();
    this.clock.halt();
  }
  resume(): void {
    if (this.#pausedSince === undefined) return;
    this.device?.paused(performance.now() - this.#pausedSince);
    this.#pausedSince = undefined;
    this.clock.go();
  }

  /** All numbers as they are now, to take differences from. */
  read(): PipelineReading {
    const { places, slots } = this;
    return {
      atMs: performance.now(),
      elapsedMs: this.clock.now(),
      cpu: this.clock.cpu(),
      meters: this.all.map(meter => meter.read()),
      device: this.device?.read(),
      deviceBefore: this.#deviceBefore,
      places: places && { inside: places.inside, peak: places.peak, bound: places.bound, declared: places.declared },
      slots: slots && { cells: slots.cells, inUse: slots.inUse, bytes: slots.bytes },
    };
  }

  /** What was measured from the start, or since an earlier reading. */
  snapshot(since?: PipelineReading): PipelineSnapshot {
    return pipelineSnapshot(this.read(), since);
  }
}
