import type { Span } from '../../core/index.ts';
import type { TraceEvent } from './chromeTrace.ts';

/** Tracks stand in groups, which the format calls processes. */
const groups = [
  ['worker', 'worker threads'],
  ['stage', 'stages'],
  ['device', 'device'],
  ['thread', 'compute threads (one step, kernel by kernel)'],
] as const satisfies readonly (readonly [Span['kind'], string])[];
export const stagesPid = 1 + groups.findIndex(([kind]) => kind === 'stage');

/** A slice in whole nanoseconds, which is what Perfetto keeps: so nothing overlaps by rounding. */
export interface Slice {
  readonly pid: number;
  readonly tid: number;
  readonly beganNs: number;
  readonly endedNs: number;
}

/** Slices that overlap by less are put one after the other: two clocks, or a clock's steps. */
const overlapNs = 2000;
/** What is shorter could not be seen, nor hold the end of an arrow. */
const leastNs = 1000;

interface Lane {
  readonly tid: number;
  endedNs: number;
}

/**
 * Gives each span its place. On one track slices lie beside each other or inside each other, so what goes on at the same time (batches
 * that wait, workers that decode) has lanes: tracks called `prefetch`, `prefetch 2`, …
 */
export class Tracks {
  readonly #lanes = new Map<string, { readonly kind: Span['kind']; readonly track: string; readonly lanes: Lane[] }>();
  #tids = 0;

  /** Before any span: they appear in this order, and also if nothing lies on them. */
  declare(kind: Span['kind'], track: string): void {
    this.#of(kind, track);
  }

  /** Spans of one track in the order in which they began. */
  place({ kind, track }: Pick<Span, 'kind' | 'track'>, began: number, ended: number): Slice {
    const { lanes } = this.#of(kind, track);
    let lane = lanes.find(({ endedNs }) => endedNs <= began + overlapNs);
    if (!lane) {
      lane = { tid: ++this.#tids, endedNs: 0 };
      lanes.push(lane);
    }
    const beganNs = Math.max(began, lane.endedNs);
    lane.endedNs = Math.max(ended, beganNs + leastNs);
    return { pid: pidOf(kind), tid: lane.tid, beganNs, endedNs: lane.endedNs };
  }

  #of(kind: Span['kind'], track: string) {
    const key = `${kind} ${track}`;
    let known = this.#lanes.get(key);
    if (!known) {
      known = { kind, track, lanes: [] };
      this.#lanes.set(key, known);
    }
    return known;
  }

  names(): TraceEvent[] {
    const processes = groups.flatMap(([, name], i): TraceEvent[] => [
      { ph: 'M', name: 'process_name', pid: i + 1, tid: 0, args: { name } },
      { ph: 'M', name: 'process_sort_index', pid: i + 1, tid: 0, args: { sort_index: i + 1 } },
    ]);
    let place = 0;
    const threads = [...this.#lanes.values()].flatMap(({ kind, track, lanes }) =>
      (lanes.length > 0 ? lanes : [{ tid: ++this.#tids }]).flatMap(({ tid }, i): TraceEvent[] => {
        const on = { ph: 'M', pid: pidOf(kind), tid } as const;
        const name = i === 0 ? track : `${track} ${i + 1}`;
        return [
          { ...on, name: 'thread_name', args: { name } },
          { ...on, name: 'thread_sort_index', args: { sort_index: ++place } },
        ];
      }),
    );
    return [...processes, ...threads];
  }
}

const pidOf = (kind: Span['kind']): number => 1 + groups.findIndex(([each]) => each === kind);
