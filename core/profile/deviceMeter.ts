import { durations, Histogram, type HistogramReading } from './histogram.ts';
import type { DeviceMemory, DeviceSnapshot, TransferSnapshot } from './snapshot.ts';
import type { Trace } from './trace.ts';

/** The parts of a training step in their order, and those of a pass that only evaluates. */
export const parts = ['forward', 'loss', 'backward', 'update', 'evaluation forward', 'evaluation loss'] as const;
export type Part = (typeof parts)[number];
const evaluates = (part: Part): boolean => part.startsWith('evaluation');

class Transfers {
  bytes = 0;
  readonly took = new Histogram();
  constructor(
    private readonly name: string,
    private readonly of: { readonly trace: Trace | undefined },
  ) {}
  /** One that ends now. */
  record(bytes: number, ms: number): void {
    this.bytes += bytes;
    this.took.record(ms);
    if (!this.of.trace) return;
    const endedMs = performance.now();
    this.of.trace.add({ track: this.name, kind: 'device', name: this.name, beganMs: endedMs - ms, endedMs });
  }
  read(): TransfersReading {
    return { bytes: this.bytes, took: this.took.read() };
  }
}
interface TransfersReading {
  readonly bytes: number;
  readonly took: HistogramReading;
}

/** What a device does for one model: its segments, the gaps between them, copies in both directions. */
export class DeviceMeter {
  readonly #took = new Map<Part, Histogram>();
  readonly #betweenSteps = new Histogram();
  readonly #withinSteps = new Histogram();
  readonly upload = new Transfers('upload', this);
  readonly readBack = new Transfers('read back', this);
  /** Of the pipeline that uses it. */
  trace: Trace | undefined;
  /** Asked when someone reads; undefined before the plans are placed. */
  memory: (() => DeviceMemory | undefined) | undefined;
  #endedMs = 0;
  #pausedMs = 0;
  #last: Part | undefined;

  constructor(readonly device: { readonly kind: string; readonly description: string; readonly threads?: number }) {}

  /**
   * A segment ran. `asked`, `ended`: of `performance.now()`. It began when it was asked for, or when the one before it ended: a device
   * does one thing after the other. Returns its duration.
   */
  ran(part: Part, asked: number, ended: number): number {
    const began = Math.max(asked, this.#endedMs);
    // what lies between training and evaluation belongs to neither
    if (this.#last && began > this.#endedMs && evaluates(part) === evaluates(this.#last)) {
      const first = part === 'forward' || part === 'evaluation forward';
      (first ? this.#betweenSteps : this.#withinSteps).record(Math.max(0, began - this.#endedMs - this.#pausedMs));
    }
    this.#pausedMs = 0;
    this.#last = part;
    this.#endedMs = Math.max(ended, began);
    const took = this.#endedMs - began;
    let own = this.#took.get(part);
    if (!own) {
      own = new Histogram();
      this.#took.set(part, own);
    }
    own.record(took);
    this.trace?.add({ track: 'device', kind: 'device', name: part, beganMs: began, endedMs: this.#endedMs });
    return took;
  }

  /** For so long it was kept from work since its last segment: no gap of the pipeline's. */
  paused(ms: number): void {
    this.#pausedMs += ms;
  }

  read(): DeviceReading {
    return {
      device: this.device,
      took: new Map([...this.#took].map(([part, histogram]) => [part, histogram.read()])),
      betweenSteps: this.#betweenSteps.read(),
      withinSteps: this.#withinSteps.read(),
      upload: this.upload.read(),
      readBack: this.readBack.read(),
      memory: this.memory?.(),
    };
  }
}

export interface DeviceReading {
  readonly device: DeviceMeter['device'];
  readonly took: ReadonlyMap<Part, HistogramReading>;
  readonly betweenSteps: HistogramReading;
  readonly withinSteps: HistogramReading;
  readonly upload: TransfersReading;
  readonly readBack: TransfersReading;
  readonly memory: DeviceMemory | undefined;
}

export function deviceSnapshot(reading: DeviceReading, elapsedMs: number, since?: DeviceReading): DeviceSnapshot {
  const { device, took, memory } = reading;
  const ran = (part: Part) => (took.get(part)?.count ?? 0) > (since?.took.get(part)?.count ?? 0);
  // a pipeline that trains does not evaluate: that is another one's work on the same device
  const trains = parts.some(part => !evaluates(part) && ran(part));
  const found = parts.flatMap(part => {
    if (trains && evaluates(part)) return [];
    const now = took.get(part);
    if (!now) return [];
    const before = since?.took.get(part);
    const busyMs = now.sumMs - (before?.sumMs ?? 0);
    return ran(part) ? [{ part, busyMs, took: durations(now, before) }] : [];
  });
  const busyMs = found.reduce((sum, each) => sum + each.busyMs, 0);
  const transfer = (now: TransfersReading, before?: TransfersReading): TransferSnapshot => {
    const times = durations(now.took, before?.took);
    return { count: times.count, bytes: now.bytes - (before?.bytes ?? 0), took: times };
  };
  return {
    kind: device.kind,
    description: device.description,
    threads: device.threads,
    elapsedMs,
    busyMs,
    busyShare: elapsedMs > 0 ? Math.min(1, busyMs / elapsedMs) : 0,
    parts: found,
    betweenSteps: durations(reading.betweenSteps, since?.betweenSteps),
    withinSteps: durations(reading.withinSteps, since?.withinSteps),
    upload: transfer(reading.upload, since?.upload),
    readBack: transfer(reading.readBack, since?.readBack),
    memory,
  };
}
