import { Observable, Subject } from 'rxjs';
import type { PipelineSnapshot } from '../../core/index.ts';
import type { DashboardEvent, EventName, Events, Memory } from './protocol.ts';
import { StepHistory } from './stepHistory.ts';

/** What only the newest of is kept, for pages that connect later, in the order in which a new page gets them. */
const lasting = ['run', 'control', 'look', 'confusion', 'pictures', 'weights', 'end'] as const satisfies readonly EventName[];
/** A whole run so far, and what it takes now. */
export interface Totals {
  readonly total: PipelineSnapshot;
  readonly memory: Memory;
}

/** Control actions, and warnings, that are remembered. */
const mostApplied = 1000;
const mostWarnings = 200;

/**
 * Everything that a page shows, in one place: whoever knows something tells it here once, every page gets it, and one that
 * connects later gets what it missed. Bounded: steps are merged with their neighbours, of most events only the last is kept.
 */
export class Hub {
  readonly #last: { [Name in EventName]?: Events[Name] } = {};
  readonly #steps = new StepHistory();
  readonly #epochs: Events['epoch'][] = [];
  readonly #applied: Events['applied'][] = [];
  readonly #warnings: Events['warning'][] = [];
  readonly #events = new Subject<DashboardEvent>();
  #pages = 0;
  /** What was measured from the start, as it is now; for readers that ask, of whom nobody knows when. */
  totals: (() => Totals) | undefined;
  readonly #watched = new Subject<boolean>();

  /** How many pages are connected; work that only they want is not done for none. */
  get pages(): number {
    return this.#pages;
  }
  /** Tells when the first page comes (true) and when the last one has gone (false). */
  get watched$(): Observable<boolean> {
    return this.#watched;
  }

  last<Name extends EventName>(event: Name): Events[Name] | undefined {
    return this.#last[event];
  }

  tell<Name extends EventName>(event: Name, data: Events[Name]): void {
    this.#remember({ event, data } as DashboardEvent);
    this.#events.next({ event, data } as DashboardEvent);
  }

  #remember({ event, data }: DashboardEvent): void {
    if (event === 'steps') {
      for (const step of data) this.#steps.add(step);
      // a run that was resumed
      delete this.#last.end;
    } else if (event === 'epoch') {
      // one that is repeated after a resume replaces what was there
      while (this.#epochs.length > 0 && this.#epochs.at(-1)!.epoch >= data.epoch) this.#epochs.pop();
      this.#epochs.push(data);
    } else if (event === 'applied') {
      this.#applied.push(data);
      if (this.#applied.length > mostApplied) this.#applied.shift();
    } else if (event === 'warning') {
      this.#warnings.push(data);
      if (this.#warnings.length > mostWarnings) this.#warnings.shift();
    }
    if (event === 'steps') this.#last.steps = data.slice(-1);
    else Object.assign(this.#last, { [event]: data });
  }

  history(): Events['history'] {
    return { steps: this.#steps.columns(), epochs: [...this.#epochs], controls: [...this.#applied], warnings: [...this.#warnings] };
  }

  /** What a page gets: first what was, then what comes. Never completes by itself: the page of a finished run stays. */
  get events$(): Observable<DashboardEvent> {
    return new Observable(subscriber => {
      const tell = (event: EventName) => {
        if (this.#last[event] !== undefined) subscriber.next({ event, data: this.#last[event] } as DashboardEvent);
      };
      tell('run');
      subscriber.next({ event: 'history', data: this.history() });
      for (const event of lasting) if (event !== 'run') tell(event);
      subscriber.add(this.#events.subscribe(subscriber));
      if (++this.#pages === 1) this.#watched.next(true);
      subscriber.add(() => {
        if (--this.#pages === 0) this.#watched.next(false);
      });
    });
  }
}
