import type { Demand } from './demand.ts';
import type { SharedLease } from './sample.ts';

/** What a batch carries: when its last holder has released it, everything in it goes back at once. Made with one holder. */
export class HeldLeases implements SharedLease {
  #holders = 1;
  constructor(
    readonly demand: Demand,
    private readonly giveBack: () => void,
  ) {}
  get holders(): number {
    return this.#holders;
  }
  hold(): this {
    if (this.#holders === 0) throw new Error('a batch was held after it had been given back: hold it inside `next`');
    this.#holders++;
    return this;
  }
  release(): void {
    if (this.#holders === 0)
      throw new Error(
        'a batch was released more often than it was held: release it once for each hold(); who made it releases it after `next`',
      );
    if (--this.#holders === 0) this.giveBack();
  }
}
