import { performance } from 'node:perf_hooks';

/** A pause shorter than this is part of the run: a source that gives way to timers between two samples. */
const shortMs = 20;
/** CPU time is asked for at most this often when a pause begins, since the question takes microseconds. */
const cpuEveryMs = 100;

/** What the machine has done for this process, in milliseconds. */
export interface CpuReading {
  readonly cpuMs: number;
  /** The main thread: at work, and waiting for events. */
  readonly activeMs: number;
  readonly idleMs: number;
}
function cpu(): CpuReading {
  const { user, system } = process.cpuUsage();
  const { active, idle } = performance.eventLoopUtilization();
  return { cpuMs: (user + system) / 1000, activeMs: active, idleMs: idle };
}

/**
 * The time of a pipeline: it goes on while anything is inside, in a place or in a stage, so that what other pipelines do between
 * two epochs belongs to no stage, nor does the time for which someone has halted it. CPU time is taken by the same clock.
 */
export class PipelineClock {
  #holders = 0;
  #halted = false;
  #pausedAt = performance.now();
  #pausedMs = this.#pausedAt;
  #began = false;
  #cpuPaused: CpuReading = { cpuMs: 0, activeMs: 0, idleMs: 0 };
  #cpuAtPause: CpuReading | undefined;
  #cpuAskedAt = Number.NEGATIVE_INFINITY;

  /** Milliseconds that anything was inside. */
  now(): number {
    return (this.#runs ? performance.now() : this.#pausedAt) - this.#pausedMs;
  }

  hold(count = 1): void {
    if (this.#holders === 0 && !this.#halted) this.#resume();
    this.#holders += count;
  }

  release(count = 1): void {
    this.#holders -= count;
    if (this.#holders === 0 && !this.#halted) this.#pause();
  }

  /** Stands still from now on, whatever is inside, until `go`. */
  halt(): void {
    if (this.#halted) return;
    // what the stages do until they are full belongs to the halt, so its beginning has to be known
    this.#cpuAskedAt = Number.NEGATIVE_INFINITY;
    if (this.#holders > 0) this.#pause();
    this.#halted = true;
  }
  go(): void {
    if (!this.#halted) return;
    this.#halted = false;
    if (this.#holders > 0) this.#resume();
  }

  get #runs(): boolean {
    return this.#holders > 0 && !this.#halted;
  }

  /** Over the same time as `now`. */
  cpu(): CpuReading {
    const { cpuMs, activeMs, idleMs } = this.#runs ? cpu() : (this.#cpuAtPause ?? this.#cpuPaused);
    const paused = this.#cpuPaused;
    return { cpuMs: cpuMs - paused.cpuMs, activeMs: activeMs - paused.activeMs, idleMs: idleMs - paused.idleMs };
  }

  #resume(): void {
    const now = performance.now();
    const gap = now - this.#pausedAt;
    if (this.#began && gap < shortMs) return;
    this.#pausedMs += gap;
    const [before, after] = [this.#cpuAtPause, cpu()];
    const paused = this.#cpuPaused;
    this.#cpuPaused = {
      cpuMs: paused.cpuMs + after.cpuMs - (before?.cpuMs ?? 0),
      activeMs: paused.activeMs + after.activeMs - (before?.activeMs ?? 0),
      idleMs: paused.idleMs + after.idleMs - (before?.idleMs ?? 0),
    };
    this.#began = true;
  }

  #pause(): void {
    this.#pausedAt = performance.now();
    if (this.#pausedAt - this.#cpuAskedAt < cpuEveryMs) return;
    this.#cpuAskedAt = this.#pausedAt;
    this.#cpuAtPause = cpu();
  }
}
