import { hash, purpose } from '../random.ts';

/** An order of 0..count-1 drawn from (seed, epoch): Fisher and Yates's shuffle, as Durstenfeld (1964) does it in place. */
export function permutation(count: number, seed: number, epoch: number): Uint32Array {
  const places = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((hash(seed, epoch, i, purpose.order) / 2 ** 32) * (i + 1));
    const kept = places[i];
    places[i] = places[j];
    places[j] = kept;
  }
  return places;
}
