import { BehaviorSubject, type Observable, type Observer, Subject } from 'rxjs';
import { fail, type Lock } from '../../core/index.ts';

/** What a person may do to a run while it goes. `lr: null` gives the learning rate back to its schedule. */
export type ControlAction = { readonly control: 'pause' | 'resume' | 'stop' } | { readonly control: 'lr'; readonly lr: number | null };

export interface ControlState {
  /** From the end of the step that was under way. */
  readonly paused: boolean;
  /** The rate that someone has set; null while the schedule rules. */
  readonly lr: number | null;
  readonly stopping: boolean;
}

export interface Controlled {
  /** Of the model: whoever has it between two steps keeps the next from beginning. */
  readonly lock: Lock;
  readonly lr$: Observer<number | undefined>;
  readonly stop: () => void;
}

/**
 * Steers a run through what its pipeline has anyway: the model's lock, `lr$` and `stop$`. So it works for any pipeline, and
 * everything takes effect between two steps. While a run is paused its stages fill up to their bounds and wait.
 */
export class Controls {
  readonly #state = new BehaviorSubject<ControlState>({ paused: false, lr: null, stopping: false });
  readonly #applied = new Subject<ControlAction>();
  #resume: (() => void) | undefined;
  #wanted = false;
  #pausedSince = 0;
  #pausedMs = 0;

  constructor(private readonly controlled: Controlled) {}

  /** What holds now, and every change of it. */
  get state$(): Observable<ControlState> {
    return this.#state;
  }
  get state(): ControlState {
    return this.#state.value;
  }
  /** Every action, when it has taken effect. */
  get applied$(): Observable<ControlAction> {
    return this.#applied;
  }

  act(action: ControlAction): void {
    if (this.#state.closed || this.state.stopping) return;
    if (action.control === 'lr') this.#steer(action);
    else if (action.control === 'pause') void this.#pause(action);
    else if (action.control === 'resume') this.#unpause(action);
    else {
      this.#set({ stopping: true }, action);
      // nothing could be finished while the model is kept from the next step
      this.#release();
      this.controlled.stop();
    }
  }

  /** Milliseconds that the run stood still since this was last asked: no part of a step's time. */
  takePausedMs(): number {
    const now = performance.now();
    const running = this.state.paused ? now - this.#pausedSince : 0;
    const taken = this.#pausedMs + running;
    this.#pausedMs = 0;
    this.#pausedSince = now;
    return taken;
  }

  /** The run is over: lets go of the model. */
  close(): void {
    this.#release();
    this.#state.complete();
    this.#applied.complete();
  }

  #steer(action: ControlAction & { readonly control: 'lr' }): void {
    const { lr } = action;
    if (lr !== null && !(Number.isFinite(lr) && lr > 0)) {
      const fix = 'Send a rate such as 0.01, or null.';
      throw fail('usage', 'learning rate', 'a positive number, or null to give it back to its schedule', String(lr), fix);
    }
    this.controlled.lr$.next(lr ?? undefined);
    this.#set({ lr }, action);
  }

  async #pause(action: ControlAction): Promise<void> {
    if (this.#wanted) return;
    this.#wanted = true;
    const release = await this.controlled.lock.acquire();
    if (!this.#wanted) {
      release();
      return;
    }
    this.#resume = release;
    this.#pausedSince = performance.now();
    this.#set({ paused: true }, action);
  }

  #unpause(action: ControlAction): void {
    if (!this.#wanted) return;
    this.#release();
    this.#set({}, action);
  }

  #release(): void {
    this.#wanted = false;
    if (!this.#resume) return;
    this.#pausedMs += performance.now() - this.#pausedSince;
    this.#resume();
    this.#resume = undefined;
    this.#state.next({ ...this.state, paused: false });
  }

  #set(change: Partial<ControlState>, action: ControlAction): void {
    this.#state.next({ ...this.state, ...change });
    this.#applied.next(action);
  }
}
