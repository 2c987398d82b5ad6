import type { Sample } from './sample.ts';

/**
 * Samples of one block of a shuffle; gives out the lowest rank first, of equal ones the lower position. A binary heap over typed arrays: a
 * heap of objects reads one from memory for each comparison, which is most of a shuffle's time once they do not fit into the cache.
 */
export class RankedSamples {
  size = 0;
  /** The heap, by rank and by the place where the sample lies. */
  #ranks = new Uint32Array(64);
  #places = new Uint32Array(64);
  /** By place; `#free` names the places without a sample, those from `size` on. */
  readonly #samples: (Sample | undefined)[] = [];
  #enteredMs = new Float64Array(64);
  #free = Uint32Array.from({ length: 64 }, (_, i) => i);

  /** `rank`: 32 bits. `enteredMs`: when it came, for the meter. */
  add(rank: number, sample: Sample, enteredMs: number): void {
    if (this.size === this.#ranks.length) this.#grow();
    const ranks = this.#ranks;
    const places = this.#places;
    let at = this.size;
    const place = this.#free[this.size++];
    this.#samples[place] = sample;
    this.#enteredMs[place] = enteredMs;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = ranks[parent];
      if (rank > above || (rank === above && !this.#isBefore(place, places[parent]))) break;
      ranks[at] = above;
      places[at] = places[parent];
      at = parent;
    }
    ranks[at] = rank;
    places[at] = place;
  }

  /** The first of those that are left; there has to be one. */
  take(): { readonly sample: Sample; readonly enteredMs: number } {
    const ranks = this.#ranks;
    const places = this.#places;
    const first = places[0];
    const sample = this.#samples[first]!;
    const end = --this.size;
    this.#samples[first] = undefined;
    this.#free[end] = first;
    const rank = ranks[end];
    const place = places[end];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= end) break;
      const right = child + 1;
      if (right < end && (ranks[right] < ranks[child] || (ranks[right] === ranks[child] && this.#isBefore(places[right], places[child])))) {
        child = right;
      }
      if (rank < ranks[child] || (rank === ranks[child] && this.#isBefore(place, places[child]))) break;
      ranks[at] = ranks[child];
      places[at] = places[child];
      at = child;
    }
    if (end > 0) {
      ranks[at] = rank;
      places[at] = place;
    }
    return { sample, enteredMs: this.#enteredMs[first] };
  }

  /** Only where ranks are equal. */
  #isBefore(a: number, b: number): boolean {
    return this.#samples[a]!.position < this.#samples[b]!.position;
  }

  #grow(): void {
    const length = 2 * this.size;
    const larger = <A extends Uint32Array | Float64Array>(from: A, to: A): A => {
      to.set(from);
      return to;
    };
    this.#ranks = larger(this.#ranks, new Uint32Array(length));
    this.#places = larger(this.#places, new Uint32Array(length));
    this.#enteredMs = larger(this.#enteredMs, new Float64Array(length));
    this.#free = larger(
      this.#free,
      Uint32Array.from({ length }, (_, i) => i),
    );
  }
}
