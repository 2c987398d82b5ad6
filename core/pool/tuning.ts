/** What a pool that chooses its own number of workers has found so far. */
export interface Tuned {
  readonly workers: number;
  /** It never takes more. */
  readonly most: number;
  /** It has compared this number with its neighbours. */
  readonly settled: boolean;
  /** The rates of whole pipelines with the numbers that were tried, the last measurement of each. */
  readonly tried: readonly { readonly workers: number; readonly itemsPerSecond: number }[];
}

/** A rate is taken over at least this time and so many items. */
const windowMs = 1000;
const windowItems = 64;
/** After a change: what was begun before it is done, and caches are warm. */
const pauseMs = 300;
/** More workers must give this much more, since they take cores and memory from the rest; fewer may give so much less. */
const gain = 1.04;
const loss = 0.99;
/** So many windows in a row must lie this far from the rate that was settled on before the search begins anew. */
const departure = 1.3;
const departures = 3;

/**
 * Finds the fewest workers that a pipeline is fastest with, by trying: from where it stands to the next greater number, on as long as the rate
 * of the whole pipeline rises, else to the next smaller one, on as long as it does not fall. Numbers grow by half, so
 * that few need be tried on machines with many cores. When the pace changes later (another model, another disk) it searches again. What comes out of a pipeline does not depend on it.
 */
export class Tuning {
  readonly #search = new WeakMap<object, Search>();
  #last: { pipeline: object; search: Search } | undefined;

  /** @param ready whether all workers that were asked for are there */
  constructor(
    readonly most: number,
    private readonly start: number,
    private readonly ready: () => boolean,
    private readonly apply: (workers: number) => void,
  ) {}

  /** A pipeline (its meter) has let so many items out by a time of its own. True when the number of workers has changed. */
  observe(pipeline: object, items: number, nowMs: number): boolean {
    const before = this.workers;
    if (this.#last?.pipeline !== pipeline) {
      const search = this.#search.get(pipeline) ?? new Search(ladder(this.most), before);
      this.#search.set(pipeline, search);
      this.#last = { pipeline, search };
      search.pause(items, nowMs);
    }
    const { search } = this.#last;
    if (this.ready()) search.observe(items, nowMs);
    else search.pause(items, nowMs);
    if (this.workers !== before) this.apply(this.workers);
    return this.workers !== before;
  }

  /** Of the pipeline observed last. */
  get workers(): number {
    return this.#last?.search.workers ?? this.start;
  }
  get settled(): boolean {
    return this.#last?.search.settled ?? false;
  }
  get report(): Tuned {
    return { workers: this.workers, most: this.most, settled: this.settled, tried: this.#last?.search.tried ?? [] };
  }
}

/** 1, 2, 3, 4, 6, 9, … and the most. */
function ladder(most: number): number[] {
  const steps: number[] = [];
  for (let workers = 1; workers < most; workers = Math.max(workers + 1, Math.floor(workers * 1.5))) steps.push(workers);
  return [...steps, most];
}

class Search {
  #at: number;
  #direction: 'start' | 'up' | 'down' | 'none' = 'start';
  readonly #rates: (number | undefined)[];
  #since = { items: 0, ms: 0 };
  #departed = 0;

  constructor(
    private readonly steps: readonly number[],
    start: number,
  ) {
    const at = steps.findIndex(step => step >= start);
    this.#at = at < 0 ? steps.length - 1 : at;
    this.#rates = steps.map(() => undefined);
  }

  get workers(): number {
    return this.steps[this.#at];
  }
  get settled(): boolean {
    return this.#direction === 'none';
  }
  get tried(): Tuned['tried'] {
    return this.steps.flatMap((workers, i) => {
      const itemsPerSecond = this.#rates[i];
      return itemsPerSecond === undefined ? [] : { workers, itemsPerSecond };
    });
  }

  /** What is under way counts for nothing. */
  pause(items: number, nowMs: number): void {
    this.#since = { items, ms: nowMs + pauseMs };
  }

  observe(items: number, nowMs: number): void {
    if (nowMs < this.#since.ms) {
      this.#since.items = items;
      return;
    }
    const ms = nowMs - this.#since.ms;
    if (ms < windowMs || items - this.#since.items < windowItems) return;
    const rate = ((items - this.#since.items) / ms) * 1000;
    const before = this.#at;
    this.#decide(rate);
    if (this.#at === before) this.#since = { items, ms: nowMs };
    else this.pause(items, nowMs);
  }

  #decide(rate: number): void {
    const rates = this.#rates;
    const at = this.#at;
    const below = rates[at - 1];
    const above = rates[at + 1];
    switch (this.#direction) {
      case 'start':
        rates[at] = rate;
        if (at + 1 < rates.length) this.#go('up', at + 1);
        else this.#down(at);
        return;
      case 'up':
        rates[at] = rate;
        if (rate < gain * (below as number)) {
          if (at >= 2 && rates[at - 2] === undefined) this.#down(at - 1);
          else this.#go('none', at - 1);
        } else if (at + 1 < rates.length) this.#go('up', at + 1);
        else this.#go('none', at);
        return;
      case 'down':
        rates[at] = rate;
        if (rate < loss * (above as number)) this.#go('none', at + 1);
        else this.#down(at);
        return;
      case 'none': {
        const settled = rates[at] as number;
        const away = rate > departure * settled || rate * departure < settled;
        this.#departed = away ? this.#departed + 1 : 0;
        if (this.#departed < departures) return;
        rates.fill(undefined);
        this.#departed = 0;
        this.#direction = 'start';
      }
    }
  }
  #down(from: number): void {
    if (from === 0) this.#go('none', 0);
    else this.#go('down', from - 1);
  }
  #go(direction: 'up' | 'down' | 'none', at: number): void {
    this.#direction = direction;
    this.#at = at;
  }
}
