/**
 * Writes one thing after the other. Where writing is slower than what comes, only the latest waits: it takes the place of what waited
 * before, so that at most two are in memory, the one being written and the next.
 */
export class LatestWrites<T> {
  #waiting: { readonly turn: number; readonly value: T } | undefined;
  #turns = 0;
  #all: Promise<void> = Promise.resolve();

  constructor(private readonly write: (value: T) => Promise<void>) {}

  /** What comes is read from a device: it is awaited, in the order of the calls. */
  add(coming: Promise<T>): void {
    // nothing here keeps a value but `#waiting`: not a promise of it, nor a variable that lives across an await
    const offered = coming.then(value => {
      this.#waiting = { turn: ++this.#turns, value };
      return this.#turns;
    });
    this.#all = this.#put(offered, this.#all);
    // told by whoever waits for it; not twice
    this.#all.catch(() => undefined);
  }

  /** Resolves when everything so far is written or has given way; rejects with the first failure, and then writes nothing more. */
  get all(): Promise<void> {
    return this.#all;
  }

  async #put(offered: Promise<number>, earlier: Promise<void>): Promise<void> {
    const turn = await offered;
    await earlier;
    if (this.#waiting?.turn !== turn) return;
    await this.write(this.#take());
  }
  #take(): T {
    const { value } = this.#waiting!;
    this.#waiting = undefined;
    return value;
  }
}
