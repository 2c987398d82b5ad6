import type { DashboardEvent, EventName, Events } from './protocol.ts';

/** Steps that wait for one page at most; a page that is further behind gets the history instead. */
const mostSteps = 2000;

/**
 * Events on their way to one page, which may read slowly or not at all (a tab in the background): of what is replaced only the
 * newest waits, so that nothing grows.
 */
export class Outbox {
  #waiting = new Map<EventName, DashboardEvent>();
  #wake: (() => void) | undefined;
  #closed = false;

  /** @param history what the page gets when it is too far behind for single steps */
  constructor(private readonly history: () => Events['history']) {}

  put(event: DashboardEvent): void {
    const { event: name } = event;
    const before = this.#waiting.get(name);
    if (event.event === 'history') this.#waiting.delete('steps');
    if (event.event === 'steps') this.#putSteps(event.data, before?.event === 'steps' ? before.data : []);
    // epochs, actions and warnings are few, but none may be lost: the history has them
    else if (before && (name === 'epoch' || name === 'applied' || name === 'warning')) this.#putHistory();
    else this.#waiting.set(name, event);
    this.#wake?.();
  }

  #putSteps(steps: Events['steps'], before: Events['steps']): void {
    if (this.#waiting.has('history') && before.length === 0) this.#waiting.set('steps', { event: 'steps', data: steps });
    else if (before.length + steps.length > mostSteps) this.#putHistory();
    else this.#waiting.set('steps', { event: 'steps', data: [...before, ...steps] });
  }

  #putHistory(): void {
    for (const name of ['steps', 'epoch', 'applied', 'warning'] as const) this.#waiting.delete(name);
    this.#waiting.set('history', { event: 'history', data: this.history() });
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** What waits now, or as soon as something does; undefined when closed, or after `heartbeatMs` without anything an empty list. */
  async take(heartbeatMs: number): Promise<DashboardEvent[] | undefined> {
    if (this.#waiting.size === 0 && !this.#closed) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
        timer = setTimeout(resolve, heartbeatMs);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    if (this.#closed) return undefined;
    const events = [...this.#waiting.values()];
    this.#waiting = new Map();
    return events;
  }
}
