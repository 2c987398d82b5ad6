/**
 * What happened when, span by span, for a timeline. Off unless somebody puts a trace into a pipeline's meters (`meters.trace`);
 * bounded: when it is full, what comes later is only counted.
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
  readonly spans: Span[] = [];
  /** Spans that there was no room for. */
  lost = 0;

  constructor(private readonly most = 200_000) {}

  add(span: Span): void {
    if (this.spans.length < this.most) this.spans.push(span);
    else this.lost++;
  }
}
