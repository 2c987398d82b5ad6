/** One holder at a time, first come first served. */
export class Lock {
  #tail: Promise<void> = Promise.resolve();

  /** Resolves with the function that gives the lock back; calling that again does nothing. */
  async acquire(): Promise<() => void> {
    const before = this.#tail;
    let free!: () => void;
    this.#tail = new Promise(resolve => {
      free = resolve;
    });
    await before;
    return free;
  }
}
