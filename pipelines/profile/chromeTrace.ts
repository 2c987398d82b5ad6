import type { Profile, Span, Trace } from '../../core/index.ts';

/**
 * A trace in Chrome's format (Trace Event Format, JSON object form), which ui.perfetto.dev and chrome://tracing open: a track for
 * each stage, worker thread, device queue and compute thread, queue depths as counters, and arrows that follow each batch from the
 * files of its first and last sample through batch, forward and backward to the update.
 */
export interface ChromeTrace {
  readonly displayTimeUnit: 'ms';
  readonly otherData: Readonly<Record<string, string | number>>;
  readonly traceEvents: readonly TraceEvent[];
}
export interface TraceEvent {
  readonly ph: 'X' | 'M' | 'C' | 's' | 't' | 'f';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: string;
  readonly bp?: 'e';
  readonly args?: Readonly<Record<string, unknown>>;
}

const groups = [
  ['worker', 'worker threads'],
  ['stage', 'stages'],
  ['device', 'device'],
  ['thread', 'compute threads (one step, kernel by kernel)'],
] as const satisfies readonly (readonly [Span['kind'], string])[];

export function chromeTrace({ spans, lost }: Trace, profile: Profile | undefined, facts: Readonly<Record<string, string>>): ChromeTrace {
  const fromMs = spans.reduce((least, { beganMs }) => Math.min(least, beganMs), Number.POSITIVE_INFINITY);
  const at = (ms: number) => Math.max(0, (ms - fromMs) * 1000);
  const tracks = new Tracks();
  const events = spans.flatMap(span => slices(span, tracks.of(span), at));
  const flows = flowsOf(spans, tracks, at);
  return {
    displayTimeUnit: 'ms',
    otherData: { ...facts, spans: spans.length, lost_spans: lost },
    traceEvents: [...tracks.names(), ...events, ...flows, ...(profile ? depths(profile, at) : [])],
  };
}

interface Track {
  readonly pid: number;
  readonly tid: number;
}

/** Tracks in the order in which they were first seen, grouped as processes. */
class Tracks {
  readonly #known = new Map<string, Track & { readonly name: string }>();
  of({ kind, track }: Span): Track {
    const key = `${kind} ${track}`;
    let known = this.#known.get(key);
    if (!known) {
      known = { pid: 1 + groups.findIndex(([each]) => each === kind), tid: this.#known.size + 1, name: track };
      this.#known.set(key, known);
    }
    return known;
  }
  names(): TraceEvent[] {
    const processes = groups.flatMap(([, name], i): TraceEvent[] => [
      { ph: 'M', name: 'process_name', pid: i + 1, tid: 0, args: { name } },
      { ph: 'M', name: 'process_sort_index', pid: i + 1, tid: 0, args: { sort_index: i + 1 } },
    ]);
    return [
      ...processes,
      ...[...this.#known.values()].map(({ pid, tid, name }): TraceEvent => ({ ph: 'M', name: 'thread_name', pid, tid, args: { name } })),
    ];
  }
}

/** A span, and its parts inside it. */
function slices({ name, kind, beganMs, endedMs, sample, batch, parts }: Span, track: Track, at: (ms: number) => number): TraceEvent[] {
  const slice = (label: string, from: number, to: number, args?: Readonly<Record<string, unknown>>): TraceEvent => ({
    ph: 'X',
    name: label,
    cat: kind,
    ...ids(track),
    ts: at(from),
    dur: Math.max(0, to - from) * 1000,
    ...(args && { args }),
  });
  const about = sample ? { ...sample } : batch && { ...batch };
  let from = beganMs;
  const inner = (parts ?? [])
    .filter(({ ms }) => ms > 0)
    .map(part => {
      const to = Math.min(endedMs, from + part.ms);
      const made = slice(part.name, from, to);
      from = to;
      return made;
    });
  const label = sample ? `sample ${sample.index}` : batch ? `${name} ${batch.index}` : name;
  return [slice(label, beganMs, endedMs, about), ...inner];
}

const ids = ({ pid, tid }: Track): { pid: number; tid: number } => ({ pid, tid });

/** Arrows of each batch: file → batch → forward → backward → optimize. */
function flowsOf(spans: readonly Span[], tracks: Tracks, at: (ms: number) => number): TraceEvent[] {
  const decoded = new Map<string, Span>();
  const ways = new Map<string, { readonly first: Span; readonly later: Span[] }>();
  for (const span of spans) {
    if (span.sample) decoded.set(`${span.sample.epoch} ${span.sample.index}`, span);
    if (!span.batch) continue;
    const key = `${span.batch.epoch} ${span.batch.index}`;
    if (span.samples) ways.set(key, { first: span, later: [] });
    else ways.get(key)?.later.push(span);
  }
  const events: TraceEvent[] = [];
  for (const [key, { first, later }] of ways) {
    if (later.length === 0) continue;
    const samples = first.samples!;
    for (const [which, index] of [samples[0], samples.at(-1)].entries()) {
      const file = decoded.get(`${first.batch!.epoch} ${index}`);
      // the last sample's arrow only leads to the batch; the first one's goes on to the update
      const way = [...(file ? [file] : []), first, ...(which === 0 ? later : [])];
      if (way.length < 2) continue;
      for (const [i, span] of way.entries()) {
        const ph = i === 0 ? 's' : i === way.length - 1 ? 'f' : 't';
        // a batch is begun before its last samples are there, and goes on when it is full
        const ms = span === file ? (span.beganMs + span.endedMs) / 2 : span === first ? span.endedMs : span.beganMs;
        const ts = at(ms);
        events.push({ ph, name: 'batch', cat: 'flow', id: `${key} ${which}`, ...ids(tracks.of(span)), ts, ...(ph === 'f' && { bp: 'e' }) });
      }
    }
  }
  return events;
}

/** How many samples each stage held over time. */
function depths({ total }: Profile, at: (ms: number) => number): TraceEvent[] {
  // the stages' clock stands still while nothing is inside; at its end it is the profile's time
  const toWall = total.atMs - total.elapsedMs;
  return total.stages.flatMap(({ name, depthOverTime: { fromMs, everyMs, means } }) =>
    means.map(
      (mean, i): TraceEvent => ({
        ph: 'C',
        name: `${name} holds`,
        pid: 2,
        tid: 0,
        ts: at(toWall + fromMs + i * everyMs),
        args: { samples: mean },
      }),
    ),
  );
}
