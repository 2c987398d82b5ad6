import { durations, Histogram, type HistogramReading } from './histogram.ts';
import type { WorkersSnapshot } from './snapshot.ts';

/** What the worker threads of one stage did, task by task. */
export class WorkerMeter {
  readonly wait = new Histogram();
  readonly run = new Histogram();
  readonly #each = new Map<number, { tasks: number; busyMs: number }>();

  /** A task has ended. Where a pool does not say which thread it was, all count as one. */
  ended(worker: number, waitMs: number, runMs: number): void {
    this.wait.record(waitMs);
    this.run.record(runMs);
    let own = this.#each.get(worker);
    if (!own) {
      own = { tasks: 0, busyMs: 0 };
      this.#each.set(worker, own);
    }
    own.tasks++;
    own.busyMs += runMs;
  }

  read(): WorkersReading {
    const each = [...this.#each].map(([worker, { tasks, busyMs }]) => ({ worker, tasks, busyMs }));
    return { wait: this.wait.read(), run: this.run.read(), each: each.sort((a, b) => a.worker - b.worker) };
  }
}

export interface WorkersReading {
  readonly wait: HistogramReading;
  readonly run: HistogramReading;
  readonly each: readonly { readonly worker: number; readonly tasks: number; readonly busyMs: number }[];
}

export function workersSnapshot({ wait, run, each }: WorkersReading, elapsedMs: number, since?: WorkersReading): WorkersSnapshot {
  const before = new Map(since?.each.map(own => [own.worker, own]));
  return {
    wait: durations(wait, since?.wait),
    run: durations(run, since?.run),
    each: each.map(({ worker, tasks, busyMs }) => {
      const busy = busyMs - (before.get(worker)?.busyMs ?? 0);
      return { worker, tasks: tasks - (before.get(worker)?.tasks ?? 0), busyMs: busy, busyShare: Math.min(1, busy / elapsedMs) };
    }),
  };
}
