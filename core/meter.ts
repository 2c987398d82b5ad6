/**
 * Every stage reports through one small meter; the profiler, the progress line and the dashboard read the same ones.
 * Counting costs a few additions: nothing is allocated per item.
 */
export class Meter {
  itemsIn = 0;
  itemsOut = 0;
  dropped = 0;
  bytes = 0;
  /** Work done, summed over parallel workers, in milliseconds. */
  busyMs = 0;
  /** How many work at once (worker threads); busy share = busyMs / (elapsed × parallel). */
  parallel = 1;
  /** Nothing to work on. */
  waitUpstreamMs = 0;
  /** Work done but nobody takes it. */
  waitDownstreamMs = 0;
  /** Items kept now, and at most. */
  depth = 0;
  peakDepth = 0;
  #depthArea = 0;
  #depthSince = performance.now();
  readonly startedMs = performance.now();

  constructor(
    readonly name: string,
    /** What it may keep at most, for the table. */
    public bound: number | undefined = undefined,
  ) {}

  /** Keeps one more (+1) or one fewer (-1). */
  keep(change: number): void {
    const now = performance.now();
    this.#depthArea += this.depth * (now - this.#depthSince);
    this.#depthSince = now;
    this.depth += change;
    if (this.depth > this.peakDepth) this.peakDepth = this.depth;
  }

  snapshot(): StageSnapshot {
    const now = performance.now();
    const elapsedMs = Math.max(now - this.startedMs, 1e-9);
    const area = this.#depthArea + this.depth * (now - this.#depthSince);
    return {
      name: this.name,
      itemsIn: this.itemsIn,
      itemsOut: this.itemsOut,
      dropped: this.dropped,
      bytes: this.bytes,
      elapsedMs,
      busyMs: this.busyMs,
      parallel: this.parallel,
      busyShare: Math.min(1, this.busyMs / (elapsedMs * this.parallel)),
      itemsPerSecond: (this.itemsOut / elapsedMs) * 1000,
      capacityPerSecond: this.busyMs > 0 ? (this.itemsOut / this.busyMs) * 1000 * this.parallel : Number.POSITIVE_INFINITY,
      waitUpstreamMs: this.waitUpstreamMs,
      waitDownstreamMs: this.waitDownstreamMs,
      depth: this.depth,
      meanDepth: area / elapsedMs,
      peakDepth: this.peakDepth,
      bound: this.bound,
    };
  }
}

export interface StageSnapshot {
  readonly name: string;
  readonly itemsIn: number;
  readonly itemsOut: number;
  readonly dropped: number;
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly busyMs: number;
  readonly parallel: number;
  /** 0..1 of what its workers had. */
  readonly busyShare: number;
  readonly itemsPerSecond: number;
  /** What the stage could do if nothing else held it up. Infinite when it does no measurable work. */
  readonly capacityPerSecond: number;
  readonly waitUpstreamMs: number;
  readonly waitDownstreamMs: number;
  readonly depth: number;
  readonly meanDepth: number;
  readonly peakDepth: number;
  readonly bound: number | undefined;
}

/** The meters of one pipeline, in the order in which its stages first saw an item. Travels with the samples (`lease.demand.meters`). */
export class MeterSet {
  readonly #meters = new Map<string, Meter>();
  /** The meter of that name, made at first use. Items are samples everywhere: a batch of 32 counts 32. */
  stage(name: string): Meter {
    let meter = this.#meters.get(name);
    if (!meter) {
      meter = new Meter(name);
      this.#meters.set(name, meter);
    }
    return meter;
  }
  get all(): readonly Meter[] {
    return [...this.#meters.values()];
  }
  snapshot(): readonly StageSnapshot[] {
    return this.all.map(meter => meter.snapshot());
  }
}
