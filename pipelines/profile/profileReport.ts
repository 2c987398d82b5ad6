import type { Limits, Profile, Span, Verdict } from '../../core/index.ts';
import type { KernelRow } from '../commands/kernelTable.ts';

/** All that a profile found out, as `profile.json`; the report shows it, `--compare` reads it again. */
export interface ProfileReport {
  readonly format: 'millrace-profile/1';
  readonly facts: ProfileFacts;
  /** The last snapshot; absent if the pipeline failed before anything was measured. */
  readonly profile: Profile | null;
  readonly verdict: Verdict | null;
  readonly course: readonly CoursePoint[];
  /** Of one step, the slowest first; null where launches cannot be timed, or nothing was trained. */
  readonly kernels: readonly KernelRow[] | null;
  readonly limits: Limits | null;
  /** Of a step's time on the device, the share that does not grow with the batch, 0 to 1; null where it was not measured. */
  readonly fixed_share: number | null;
  /** What happened in a part of the run, for the plot; the whole is in `trace.json`. */
  readonly spans: readonly Span[];
  /** What ended the pipeline, if it failed. */
  readonly error: string | null;
}

export interface ProfileFacts {
  readonly pipeline: string;
  readonly model: string;
  readonly device: string;
  readonly data: string;
  readonly batch: number;
  readonly workers: number;
  readonly steps: number;
  readonly images_per_s: number;
  readonly seconds: number;
  readonly started: string;
  readonly millrace: string;
  readonly node: string;
}

/** How it went from one look to the next. */
export interface CoursePoint {
  /** Seconds since the start. */
  readonly at: number;
  readonly images_per_s: number;
  readonly device_busy: number;
  readonly main_busy: number;
  readonly cores_busy: number;
  /** Samples inside each stage. */
  readonly depth: Readonly<Record<string, number>>;
}

/** Points that are kept: when there are more, every second one goes. */
const mostPoints = 400;

export class Course {
  #points: CoursePoint[] = [];
  #every = 1;
  #seen = 0;
  readonly #began = performance.now();

  add({ recent }: Profile): void {
    if (this.#seen++ % this.#every > 0) return;
    this.#points.push({
      at: (performance.now() - this.#began) / 1000,
      images_per_s: recent.itemsPerSecond,
      device_busy: recent.device?.busyShare ?? 0,
      main_busy: recent.machine.mainThreadShare,
      cores_busy: recent.machine.busyCores,
      depth: Object.fromEntries(recent.stages.map(({ name, meanDepth }) => [name, meanDepth])),
    });
    if (this.#points.length < mostPoints) return;
    this.#points = this.#points.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
  }

  get points(): readonly CoursePoint[] {
    return this.#points;
  }
}

/** Milliseconds, and spans, that the report's timeline shows at most. */
const shownMs = 400;
const shownSpans = 4000;

/** A part from the middle of the run, when it had settled, and all of the step that was taken apart kernel by kernel. */
export function excerpt(spans: readonly Span[]): Span[] {
  const run = spans.filter(({ kind }) => kind !== 'thread');
  const updates = run.filter(({ track }) => track === 'optimize');
  const from = (updates[Math.floor(updates.length / 2)] ?? run[Math.floor(run.length / 2)])?.beganMs ?? 0;
  const shown = run.filter(({ beganMs, endedMs }) => endedMs > from && beganMs < from + shownMs);
  return [...shown.slice(0, shownSpans), ...spans.filter(({ kind }) => kind === 'thread').slice(0, shownSpans)];
}
