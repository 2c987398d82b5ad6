import assert from 'node:assert/strict';
import type { ChromeTrace, TraceEvent } from '../../pipelines/profile/chromeTrace.ts';

export interface Track {
  readonly group: string;
  readonly name: string;
  readonly slices: readonly TraceEvent[];
}
export interface ParsedTrace {
  readonly tracks: readonly Track[];
  /** By id: the names of the slices that the arrow goes through, with their tracks. */
  readonly arrows: ReadonlyMap<string, readonly { readonly track: string; readonly slice: string }[]>;
}

/**
 * Reads a trace as Perfetto does (docs/reference/synthetic-track-event and its importer of the JSON format) and refuses what would be
 * shown wrongly there: times that go back, tracks without a name, slices that overlap without one being inside the other, arrows whose
 * ends lie on nothing, that have no beginning or no end, or that go back in time.
 */
export function parseTrace({ traceEvents }: ChromeTrace): ParsedTrace {
  const groups = new Map<number, string>();
  const names = new Map<string, string>();
  const onTrack = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const ns = (us: number) => Math.round(us * 1000);
  for (const event of traceEvents) {
    assert.ok('XMCstf'.includes(event.ph), `phase ${event.ph}`);
    if (event.ph !== 'M') continue;
    const { name } = event.args as { name: string };
    if (event.name === 'process_name') groups.set(event.pid, name);
    if (event.name === 'thread_name') {
      assert.ok(!names.has(onTrack(event)), `track ${onTrack(event)} has two names`);
      names.set(onTrack(event), name);
    }
  }
  const open = new Map<string, TraceEvent[]>();
  const slices = new Map<string, TraceEvent[]>();
  const arrows = new Map<string, { ended: boolean; at: number; way: { track: string; slice: string }[] }>();
  let now = 0;
  for (const event of traceEvents) {
    if (event.ph === 'M') continue;
    const at = ns(event.ts!);
    assert.ok(at >= now, `${event.name} at ${event.ts} after ${now / 1000}`);
    now = at;
    assert.ok(groups.has(event.pid), `no name for the process of ${event.name}`);
    if (event.ph === 'C') {
      assert.ok(Object.values(event.args!).every(Number.isFinite));
      continue;
    }
    const key = onTrack(event);
    assert.ok(names.has(key), `no name for the track of ${event.name}`);
    // what is over is closed before anything is put on the track
    const stack = (open.get(key) ?? []).filter(slice => ns(slice.ts! + slice.dur!) > at);
    open.set(key, stack);
    if (event.ph === 'X') {
      assert.ok(event.dur! > 0, `${event.name} takes no time`);
      for (const outer of stack)
        assert.ok(
          ns(event.ts! + event.dur!) <= ns(outer.ts! + outer.dur!),
          `${event.name} at ${event.ts} begins in ${outer.name} and ends behind it`,
        );
      stack.push(event);
      slices.set(key, [...(slices.get(key) ?? []), event]);
      continue;
    }
    const around = stack.at(-1);
    assert.ok(around, `${event.ph} of arrow ${event.id} at ${event.ts} lies on nothing on ${names.get(key)}`);
    if (event.ph === 's') {
      assert.ok(!arrows.has(event.id!), `arrow ${event.id} begins twice`);
      arrows.set(event.id!, { ended: false, at, way: [] });
    }
    const arrow = arrows.get(event.id!);
    assert.ok(arrow && !arrow.ended, `${event.ph} of arrow ${event.id} outside of it`);
    if (event.ph === 'f') assert.equal(event.bp, 'e', 'an end binds to what lies around it');
    arrow.ended = event.ph === 'f';
    arrow.way.push({ track: names.get(key)!, slice: around.name });
  }
  for (const [id, { ended }] of arrows) assert.ok(ended, `arrow ${id} has no end`);
  const tracks = [...names].map(([key, name]) => ({
    group: groups.get(Number(key.split(' ')[0]))!,
    name,
    slices: slices.get(key) ?? [],
  }));
  return { tracks, arrows: new Map([...arrows].map(([id, { way }]) => [id, way])) };
}
