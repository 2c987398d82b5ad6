import type { MeterSet } from '../meter.ts';
import { hash } from '../random.ts';

/**
 * What happened when, span by span, for a timeline. Off unless somebody puts a trace into a pipeline's meters (`meters.trace`);
 * bounded: of many samples it keeps a part, and when it is full, what comes later is only counted.
 */
export interface Span {
  /** What it happened on: `worker 3`, `forward`, `device`, `copies`, `compute 0`. */
  readonly track: string;
  readonly kind: 'worker' | 'stage' | 'device' | 'thread';
  readonly name: string;
  /** Milliseconds of `performance.now()` on the main thread. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** The sample, or the batch, that it worked on. */
  readonly sample?: { readonly epoch: number; readonly index: number; readonly key: string };
  readonly batch?: { readonly epoch: number; readonly index: number; readonly count: number };
  /** Of a batch's first span: the samples that are in it, by place in the data. */
  readonly samples?: readonly number[];
  /** Shares of the span's time, in their order, from its beginning on. */
  readonly parts?: readonly { readonly name: string; readonly ms: number }[];
}

export class Trace {
  #spans: Span[] = [];
  /** Spans that there was no room for. */
  lost = 0;
  /** One sample of so many is in it, the same ones on every track. */
  every = 1;
  #ofSamples = 0;

  /** @param most spans in all. @param mostOfSamples of them those of single samples: when there are more, every second sample goes. */
  constructor(
    private readonly most = 200_000,
    private readonly mostOfSamples = 60_000,
  ) {}

  get spans(): readonly Span[] {
    return this.#spans;
  }

  add(span: Span): void {
    if (span.sample) {
      if (!this.#keeps(span)) return;
      if (this.#ofSamples === this.mostOfSamples) {
        this.#thin();
        if (!this.#keeps(span)) return;
      }
    }
    if (this.#spans.length === this.most) {
      this.lost++;
      return;
    }
    this.#spans.push(span);
    if (span.sample) this.#ofSamples++;
  }

  #keeps({ sample }: Span): boolean {
    return !sample || this.every === 1 || hash(sample.epoch, sample.index) % this.every === 0;
  }
  #thin(): void {
    this.every *= 2;
    this.#spans = this.#spans.filter(span => this.#keeps(span));
    this.#ofSamples = this.#spans.filter(({ sample }) => sample).length;
  }
}

/** A stage has worked on something, and is done now. What it worked on is asked of samples, batches and passes themselves. `enteredMs` as the meter gave it; without, it took no time. */
export function traceStage({ trace, clock }: Pick<MeterSet, 'trace' | 'clock'>, track: string, value: unknown, enteredMs?: number): void {
  if (!trace) return;
  const endedMs = performance.now();
  const about = aboutOf(value);
  const tookMs = enteredMs === undefined ? 0 : Math.max(0, clock.now() - enteredMs);
  trace.add({ track, kind: 'stage', name: track, beganMs: endedMs - tookMs, endedMs, ...about });
}

function aboutOf(value: unknown): Pick<Span, 'sample' | 'batch'> {
  const { batch = value } = Object(value) as { batch?: unknown };
  const { epoch, index, count, key } = Object(batch) as { epoch?: number; index?: number; count?: number; key?: string };
  if (typeof epoch !== 'number' || typeof index !== 'number') return {};
  if (typeof count === 'number') return { batch: { epoch, index, count } };
  return typeof key === 'string' ? { sample: { epoch, index, key } } : {};
}
