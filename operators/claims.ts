import type { Subscriber } from 'rxjs';
import type { Claim, Demand } from '../core/data/demand.ts';

/** What one subscription to a stage declares, to each demand that its samples come with: mostly one, several where sources were merged. */
export class Claims {
  readonly #claims = new Map<Demand, Claim>();
  constructor(
    private readonly stage: string,
    subscriber: Subscriber<unknown>,
  ) {
    subscriber.add(() => this.end());
  }
  declare(demand: Demand, count: number): void {
    const claim = this.#claims.get(demand) ?? demand.claim(this.stage);
    this.#claims.set(demand, claim);
    claim.declare(count);
  }
  /** By itself when the subscriber leaves; before completing too, since a next epoch's subscription may come before that. */
  end(): void {
    for (const claim of this.#claims.values()) claim.end();
  }
}
