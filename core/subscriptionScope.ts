/**
 * What the sources under an operator have in common while it subscribes to them. RxJS has no context that travels from an operator up to
 * its source, but subscribing is synchronous, so a variable that is set only while `subscribe` runs reaches the source through any
 * operators between the two. A source that subscribes later (the second of a `concat`) is outside of it.
 */
export class SubscriptionScope<T> {
  #current: T | undefined;

  /** Runs `subscribe` in the scope; restores what was there before, also when it throws. */
  within<R>(scope: T, subscribe: () => R): R {
    const outer = this.#current;
    this.#current = scope;
    try {
      return subscribe();
    } finally {
      this.#current = outer;
    }
  }

  /** Read by sources, synchronously when they are subscribed to. */
  get current(): T | undefined {
    return this.#current;
  }
}
