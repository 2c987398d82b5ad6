import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { type Found, pull } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { places, type Visit } from '../core/data/visit.ts';
import { fileName, type TarIndex } from '../core/formats/tarIndex.ts';

/** The images of an indexed archive, each read in place by the worker that decodes it.
 *
 *   archivedImages('ILSVRC2012_img_val.tar', index, labels)
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 *  Shapes: picture kind `range`.  Order: the index's (by archive inside, then by name); with `order: 'random'` a permutation
 *  drawn from (seed, epoch).  Holds: the index and the labels; with 'random' or `keep` also four bytes an image.
 *  Runs: main thread.  Owns: nothing open; workers keep the archive open.
 *  Errors: none of its own; an archive that changed since is a bad sample, told by `decode`.
 *  See also: {@link imageFolder}, {@link openDataSet}. */
export function archivedImages(
  path: string,
  index: TarIndex,
  labels: ArrayLike<number>,
  { order, keep, ...options }: SourceOptions = {},
): Observable<Sample> {
  return pull(scope => visit(path, index, labels, { order, keep, ...scope }), options, { jumps: true, order });
}

function* visit(path: string, index: TarIndex, labels: ArrayLike<number>, visit: Visit): Generator<Found> {
  const archive = basename(path);
  for (const i of places(labels, visit)) {
    const group = index.groups[index.groupOf[i]];
    yield {
      key: `${archive}/${group === undefined ? '' : `${group}/`}${fileName(index, i)}`,
      label: labels[i],
      index: i,
      picture: { kind: 'range', path, offset: index.offsets[i], bytes: index.sizes[i] },
    };
  }
}
