import { fail } from '../errors.ts';
import { MeterSet } from '../meter.ts';

/** What one subscription to a stage keeps at most. */
export interface Claim {
  /** How many from now on. More than the demand's limit would stall, so it is an error at once. */
  declare(count: number): void;
  /** The subscription is over. */
  end(): void;
}
interface StageClaim {
  readonly stage: string;
  count: number;
  ended: boolean;
}

/**
 * Demand bounds a pipeline. RxJS pushes: nothing in it keeps a fast source from filling memory. So every sample carries a
 * lease on a place in the pipeline; the source lets one in only while there is room, and a place is free again once
 * nobody holds the lease: its batch was consumed, or a `filter` or `take` dropped it on the way.
 *
 * The rule for a stage that keeps a sample beyond its own `next`: hold its lease inside `next`, release it when done, and
 * declare at the first sample how many it may keep, so that the bound suffices. Foreign operators need to know nothing.
 */
export class Demand {
  #inside = 0;
  #peak = 0;
  readonly #claims: StageClaim[] = [];
  readonly #named = new Map<string, Claim>();
  #base: number;
  #waiting: (() => void)[] = [];

  /** @param limit the most samples that may ever be inside; by default the sum of what the stages declare. */
  constructor(
    readonly meters: MeterSet = new MeterSet(),
    readonly limit = Number.POSITIVE_INFINITY,
    base = 1,
  ) {
    this.#base = base;
    meters.places = this;
  }

  /** Samples inside now, and the most there ever were. */
  get inside(): number {
    return this.#inside;
  }
  get peak(): number {
    return this.#peak;
  }
  /** The stated bound: one on its way, and what each stage may keep. */
  get bound(): number {
    let sum = this.#base;
    for (const { count } of this.#claims) sum += count;
    return Math.min(sum, this.limit);
  }

  /** What each stage keeps at most; stages of one name together. */
  get declared(): Readonly<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const { stage, count } of this.#claims) sums[stage] = (sums[stage] ?? 0) + count;
    return sums;
  }

  /** A stage says how many samples it keeps at most: what it said before under this name is replaced. Two stages of one name claim each their own. */
  declare(stage: string, count: number): void {
    const claim = this.#named.get(stage) ?? this.claim(stage);
    this.#named.set(stage, claim);
    claim.declare(count);
  }

  /**
   * The places of one subscription to a stage, which adds to those of all others, also of the same name. Those that have ended stay until
   * another of their name takes them over: what such a stage let out may still be inside, and the next epoch's needs the same.
   */
  claim(stage: string): Claim {
    const left = this.#claims.find(each => each.ended && each.stage === stage);
    const own = left ?? { stage, count: 0, ended: false };
    own.ended = false;
    if (!left) this.#claims.push(own);
    return {
      declare: count => {
        own.count = count;
        this.#check(stage);
        this.#wake();
      },
      end: () => {
        own.ended = true;
      },
    };
  }

  /** More than the limit would stall, so it is an error at once. */
  #check(stage: string): void {
    let sum = this.#base;
    for (const { count } of this.#claims) sum += count;
    if (sum <= this.limit) return;
    const list = this.#claims.map(each => `${each.stage} ${each.count}`).join(', ');
    throw fail(
      'state',
      stage,
      `a pipeline that keeps at most ${this.limit} samples`,
      `stages that need ${sum} (${list})`,
      `Raise the source's bound to at least ${sum}, or make the stages smaller.`,
    );
  }

  /** Lets one sample in; the caller holds the lease and releases it after its `next` returned. */
  enter(): Lease {
    this.#reenter();
    return new Lease(this, this.#reenter, this.#leave);
  }

  get room(): boolean {
    return this.#inside < this.bound;
  }
  /** Resolves when a sample may enter. Sources that were merged may wait together: look at `room` again before entering. */
  whenRoom(): Promise<void> {
    return this.room
      ? Promise.resolve()
      : new Promise(resolve => {
          this.#waiting.push(resolve);
        });
  }

  readonly #reenter = (): void => {
    this.meters.clock.hold();
    this.#inside++;
    if (this.#inside > this.#peak) this.#peak = this.#inside;
  };
  readonly #leave = (): void => {
    this.#inside--;
    this.meters.clock.release();
    this.#wake();
  };
  #wake(): void {
    if (this.#waiting.length === 0 || !this.room) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** A place in the pipeline, held by everyone who keeps the sample. */
export class Lease {
  #holders = 1;
  #whenFree: (() => void)[] | undefined;
  constructor(
    readonly demand: Demand,
    private readonly reenter: () => void,
    private readonly leave: () => void,
  ) {}
  get held(): boolean {
    return this.#holders > 0;
  }
  get holders(): number {
    return this.#holders;
  }
  /** Held again after it was free (a foreign operator kept the sample across time): counts again from here. */
  hold(): this {
    if (this.#holders++ === 0) this.reenter();
    return this;
  }
  release(): void {
    if (this.#holders === 0)
      throw new Error(
        'a lease was released more often than it was held: release it once for each hold(); who made it releases it after `next`',
      );
    if (--this.#holders > 0) return;
    if (this.#whenFree) for (const action of this.#whenFree) action();
    this.leave();
  }
  /** Runs each time that nobody holds the sample any more: what was kept for it (pixels, queued work) is given back here. */
  whenFree(action: () => void): void {
    if (this.#whenFree) this.#whenFree.push(action);
    else this.#whenFree = [action];
  }
}
