/**
 * Counter-based randomness: a pure hash of (seed, epoch, index, purpose) instead of shared mutable state, so that any
 * sample of any batch can be replayed and the number of workers changes nothing.
 */

/** Mixes any number of 32-bit counters into one unsigned 32-bit value (murmur3's block and final mix). */
export function hash(...counters: number[]): number {
  let h = 0x9747b28c;
  for (const counter of counters) {
    let k = Math.imul(counter | 0, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= counters.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** `hash(key, n)` 's kind of mixing, in a form that allocates nothing: models start with tens of millions of these. */
function draw(key: number, n: number): number {
  let h = Math.imul(key ^ Math.imul(n, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15) ^ n, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 13), 0x27d4eb2f);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The purposes that draw random numbers; each its own stream, so that adding one changes no other. */
export const purpose = { shuffle: 1, augment: 2, dropout: 3, init: 4, replace: 5, synthetic: 6, order: 7, mix: 8 } as const;

/** A stream of uniform numbers in [0, 1) that depends on nothing but its counters. */
export function uniforms(...counters: number[]): () => number {
  const key = hash(...counters);
  let n = 0;
  return () => draw(key, n++) / 2 ** 32;
}

/** A stream of standard normal numbers (Box and Muller 1958). */
export function normals(...counters: number[]): () => number {
  const next = uniforms(...counters);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** One number of the distribution Beta(alpha, alpha) from a stream of uniform ones. */
export function beta(alpha: number, random: () => number): number {
  const [a, b] = [gamma(alpha, random), gamma(alpha, random)];
  // both are 0 only where alpha is so small that all mass lies at the ends
  return a + b > 0 ? a / (a + b) : random() < 0.5 ? 0 : 1;
}

/** Marsaglia and Tsang 2000, "A simple method for generating gamma variables", below 1 by their section 6. */
function gamma(shape: number, random: () => number): number {
  if (shape < 1) return gamma(shape + 1, random) * (1 - random()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
