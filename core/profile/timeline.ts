import type { DepthOverTime } from './snapshot.ts';

const spans = 256;

/**
 * A quantity over the time of a run in at most 256 spans: when they are full, each two become one and the rest of the run is
 * recorded in spans twice as long. Its size is fixed; recording allocates nothing.
 */
export class Timeline {
  /** Quantity × milliseconds in each span. */
  readonly #areas = new Float64Array(spans);
  #everyMs = 10;
  #span = 0;
  #endMs: number;

  constructor(private readonly fromMs: number) {
    this.#endMs = fromMs + this.#everyMs;
  }

  /** It was `value` from `since` to `now`; calls follow each other in time. */
  add(value: number, since: number, now: number): void {
    let begin = since;
    while (now > this.#endMs) {
      if (this.#endMs > begin) {
        this.#areas[this.#span] += value * (this.#endMs - begin);
        begin = this.#endMs;
      }
      this.#next();
    }
    this.#areas[this.#span] += value * (now - begin);
  }

  #next(): void {
    if (++this.#span === spans) {
      for (let i = 0; i < spans / 2; i++) this.#areas[i] = this.#areas[2 * i] + this.#areas[2 * i + 1];
      this.#areas.fill(0, spans / 2);
      this.#span = spans / 2;
      this.#everyMs *= 2;
    }
    this.#endMs = this.fromMs + (this.#span + 1) * this.#everyMs;
  }

  /** What was recorded up to `now`, from the span in which `since` lies. */
  read(now: number, since = this.fromMs): DepthOverTime {
    const everyMs = this.#everyMs;
    const first = Math.min(this.#span, Math.max(0, Math.floor((since - this.fromMs) / everyMs)));
    const means: number[] = [];
    for (let i = first; i <= this.#span; i++) {
      const begin = this.fromMs + i * everyMs;
      const lengthMs = Math.min(everyMs, now - begin);
      if (lengthMs > 0) means.push(this.#areas[i] / lengthMs);
    }
    return { fromMs: this.fromMs + first * everyMs, everyMs, means };
  }
}
