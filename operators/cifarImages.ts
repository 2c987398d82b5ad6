import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { type Found, pull } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { places, type Visit } from '../core/data/visit.ts';
import { type CifarFile, cifarSide } from '../core/formats/cifar.ts';

/** The images of CIFAR's binary files, one file after the other.
 *
 *   cifarImages(files, labels)
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 *  Shapes: picture kind `raw`, [32,32,3] u8.  Order: as in the files; with `order: 'random'` a permutation drawn from (seed, epoch).
 *  Holds: the labels; with 'random' or `keep` also four bytes an image.  Runs: main thread, 3 KB read for an image.
 *  Owns: the open files; closed at the end, on error and on unsubscribe.  Errors: a file that becomes shorter meanwhile.
 *  See also: {@link idx}, {@link openDataSet}. */
export function cifarImages(
  open: () => readonly CifarFile[],
  labels: Uint8Array,
  { order, keep, ...options }: SourceOptions = {},
): Observable<Sample> {
  return pull(
    async function* (scope) {
      yield* visit(open(), labels, { order, keep, ...scope });
    },
    options,
    { jumps: true, order },
  );
}

function* visit(files: readonly CifarFile[], labels: Uint8Array, visit: Visit): Generator<Found> {
  try {
    for (const index of places(labels, visit)) {
      let file = 0;
      let image = index;
      while (image >= files[file].images) image -= files[file++].images;
      const key = `${basename(files[file].path)}#${image}`;
      const pixels = files[file].pixels(image);
      yield { key, label: labels[index], index, picture: { kind: 'raw', pixels, height: cifarSide, width: cifarSide, channels: 3 } };
    }
  } finally {
    for (const file of files) file.close();
  }
}
