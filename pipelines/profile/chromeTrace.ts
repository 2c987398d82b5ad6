import type { Profile, Span, Trace } from '../../core/index.ts';
import { type Slice, stagesPid, Tracks } from './traceTracks.ts';

/**
 * A trace in Chrome's format (Trace Event Format, JSON object form), which ui.perfetto.dev and chrome://tracing open: a track for
 * each stage, worker thread, device queue and compute thread, queue depths as counters, and arrows that follow each batch from the
 * files of its first and last sample through all stages to the update. Of long runs not every sample is shown; `sample_tracks` says.
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

/** What a worker does for a sample, and whose stage that is. */
const inWorkers = ['read', 'decode', 'augment'];

export function chromeTrace(
  { spans, lost, every }: Trace,
  profile: Profile | undefined,
  facts: Readonly<Record<string, string>>,
): ChromeTrace {
  const fromMs = spans.reduce((least, { beganMs }) => Math.min(least, beganMs), Number.POSITIVE_INFINITY);
  const ns = (ms: number) => Math.max(0, Math.round((ms - fromMs) * 1e6));
  const tracks = new Tracks();
  for (const { name } of profile?.total.stages ?? []) tracks.declare('stage', name);
  const placed = [...spans]
    .sort((a, b) => a.beganMs - b.beganMs)
    .map((span): Placed => ({ span, slice: tracks.place(span, ns(span.beganMs), ns(span.endedMs)) }));
  const events = placed.flatMap(each => slices(each, tracks));
  const flows = flowsOf(placed);
  const timed = [...events, ...flows, ...(profile ? depths(profile, ns) : [])].sort((a, b) => a.ts! - b.ts!);
  return {
    displayTimeUnit: 'ms',
    otherData: { ...facts, spans: spans.length, lost_spans: lost, sample_tracks: every === 1 ? 'every sample' : `one sample of ${every}` },
    traceEvents: [...tracks.names(), ...timed],
  };
}

interface Placed {
  readonly span: Span;
  readonly slice: Slice;
}

function event(label: string, cat: string, { pid, tid, beganNs, endedNs }: Slice, args?: TraceEvent['args']): TraceEvent {
  return { ph: 'X', name: label, cat, pid, tid, ts: beganNs / 1000, dur: (endedNs - beganNs) / 1000, ...(args && { args }) };
}

/** A span, its parts inside it, and what of it is the work of stages that have no thread of their own. */
function slices({ span, slice }: Placed, tracks: Tracks): TraceEvent[] {
  const { name, kind, sample, batch, parts = [] } = span;
  const label = sample ? `sample ${sample.index}` : batch ? `${name} ${batch.index}` : name;
  const about = sample ?? batch;
  let from = slice.beganNs;
  const inner = parts.flatMap(part => {
    const to = Math.min(slice.endedNs, from + Math.round(part.ms * 1e6));
    if (to <= from) return [];
    const own = { ...slice, beganNs: from, endedNs: to };
    from = to;
    const ofStage =
      kind === 'worker' && inWorkers.includes(part.name)
        ? [event(label, 'stage', tracks.place({ kind: 'stage', track: part.name }, own.beganNs, own.endedNs), { ...about })]
        : [];
    return [event(part.name, kind, own), ...ofStage];
  });
  return [event(label, kind, slice, about && { ...about }), ...inner];
}

/** Arrows of each batch: of its first sample file → … → batch → … → update, of its last one file → … → batch. */
function flowsOf(placed: readonly Placed[]): TraceEvent[] {
  const ofSamples = new Map<string, Placed[]>();
  const ofBatches = new Map<string, { readonly first: Placed; readonly later: Placed[] }>();
  for (const each of placed) {
    const { sample, batch, samples } = each.span;
    if (sample) {
      const key = `${sample.epoch} ${sample.index}`;
      ofSamples.set(key, [...(ofSamples.get(key) ?? []), each]);
    } else if (batch) {
      const key = `${batch.epoch} ${batch.index}`;
      if (samples) ofBatches.set(key, { first: each, later: [] });
      else ofBatches.get(key)?.later.push(each);
    }
  }
  return [...ofBatches].flatMap(([key, { first, later }]) => {
    // of long runs not every sample is in the trace
    const known = first.span
      .samples!.map(index => ofSamples.get(`${first.span.batch!.epoch} ${index}`) ?? [])
      .filter(way => way.length > 0);
    const ways = [
      [...(known[0] ?? []), first, ...later],
      [...(known.at(-1) ?? []), first],
    ];
    return ways.flatMap((way, which) => (way.length < 2 ? [] : arrows(way, first, `${key} ${which === 0 ? 'first' : 'last'}`)));
  });
}

/** An arrow's ends bind to the slices that lie around them; both may not lie on a slice's end, where it is over. */
function arrows(way: readonly Placed[], filling: Placed, id: string): TraceEvent[] {
  let after = 0;
  return way.map((each, i): TraceEvent => {
    const { pid, tid, beganNs, endedNs } = each.slice;
    // a batch is begun before its last samples are there, and goes on when it is full
    const ideal = each === filling ? endedNs - 1 : each.span.sample ? Math.floor((beganNs + endedNs) / 2) : beganNs;
    const at = Math.min(endedNs - 1, Math.max(ideal, after, beganNs));
    after = at;
    const ph = i === 0 ? 's' : i === way.length - 1 ? 'f' : 't';
    return { ph, name: 'batch', cat: 'flow', id, pid, tid, ts: at / 1000, ...(ph === 'f' && { bp: 'e' }) };
  });
}

/** How many samples each stage held over time. */
function depths({ total }: Profile, ns: (ms: number) => number): TraceEvent[] {
  // the stages' clock stands still while nothing is inside; at its end it is the profile's time
  const toWall = total.atMs - total.elapsedMs;
  return total.stages.flatMap(({ name, depthOverTime: { fromMs, everyMs, means } }) =>
    means.map((mean, i): TraceEvent => {
      const ts = ns(toWall + fromMs + i * everyMs) / 1000;
      return { ph: 'C', name: `${name} holds`, pid: stagesPid, tid: 0, ts, args: { samples: mean } };
    }),
  );
}
