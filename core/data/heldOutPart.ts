import { hash } from '../random.ts';
import type { ImageListing } from './listing.ts';

/** Of images without a split, one in this many of each class is held out. */
export const heldOutShare = 10;

/** Of each class the images whose paths hash lowest: a tenth, but at least one if the class has two. */
export function chooseHeldOut({ files, labels, classes }: Pick<ImageListing, 'files' | 'labels' | 'classes'>): ReadonlySet<number> {
  const ranks = files.map((file, i) => ({ i, rank: hash(...Buffer.from(file)) }));
  const byClass: (typeof ranks)[] = classes.map(() => []);
  for (const entry of ranks) byClass[labels[entry.i]].push(entry);
  return new Set(
    byClass.flatMap(entries => {
      const share = entries.length < 2 ? 0 : Math.max(1, Math.round(entries.length / heldOutShare));
      return entries
        .sort((a, b) => a.rank - b.rank || a.i - b.i)
        .slice(0, share)
        .map(entry => entry.i);
    }),
  );
}
