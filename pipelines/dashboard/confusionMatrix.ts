import type { Confusion } from './protocol.ts';

/** Classes on the page's matrix at most. */
const shown = 40;
/** With more classes there is no matrix: it would be larger than most models. */
export const mostClasses = 2048;

/** Counts guesses of held-out images by class. */
export class ConfusionMatrix {
  readonly #counts: Uint32Array;
  images = 0;

  constructor(private readonly classes: number) {
    this.#counts = new Uint32Array(classes * classes);
  }

  add(label: number, guess: number): void {
    this.#counts[label * this.classes + guess]!++;
    this.images++;
  }

  /** With more classes than fit: those with the most mistakes, in their order. */
  confusion(epoch: number, names: readonly string[]): Confusion {
    const { classes } = this;
    const mistakes = new Array<number>(classes).fill(0);
    for (let label = 0; label < classes; label++)
      for (let guess = 0; guess < classes; guess++) {
        if (label === guess) continue;
        const count = this.#counts[label * classes + guess]!;
        mistakes[label]! += count;
        mistakes[guess]! += count;
      }
    const all = mistakes.map((_, place) => place);
    const worst = all.toSorted((a, b) => mistakes[b]! - mistakes[a]! || a - b).slice(0, shown);
    const places = classes <= shown ? all : worst.sort((a, b) => a - b);
    const counts = places.map(label => places.map(guess => this.#counts[label * classes + guess]!));
    return {
      epoch,
      classes: places.map(place => names[place] ?? String(place)),
      places,
      counts,
      images: this.images,
      left_out: classes - places.length,
    };
  }
}

/** Place of the largest value, and its softmax. */
export function bestGuess(logits: Float32Array): { readonly guess: number; readonly share: number } {
  let guess = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[guess]!) guess = i;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - logits[guess]!);
  return { guess, share: 1 / sum };
}
