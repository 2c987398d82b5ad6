import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { type Annotations, faultOf } from '../core/data/annotations.ts';
import { type ImageListing, listImages } from '../core/data/listing.ts';
import { type Found, pull, type Reading } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { places, type Visit } from '../core/data/visit.ts';
import { MillraceError } from '../core/errors.ts';

/** The images of a folder with one folder per class: `photos/train/cat/1.jpg`, `photos/train/dog/2.jpg`.
 *
 *   imageFolder(dir)
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 * Classes are the folder names in code unit order (as torchvision's ImageFolder sorts them); images may lie in folders below,
 * in any format that sharp reads. Files starting with a dot and other types are left out.
 *
 *  Shapes: picture kind `file`; nothing is opened here, workers read it.  Order: by class, then by path; with
 *  `order: 'random'` a permutation of all of them drawn from (seed, epoch), which suits a folder sorted by class better than a shuffle buffer.
 *  Holds: a path and a label for every image, listed once when first subscribed to; with 'random' also four bytes each.
 *  Runs: main thread.  Owns: nothing open between samples.
 *  Errors: a missing, unreadable or empty folder; fewer than two classes; a class without images. Links that lead nowhere are
 *  bad samples, and folders that links lead into in a circle are passed over.
 *  See also: {@link webDataset}, {@link idx}, {@link openDataSet}. */
export function imageFolder(dir: string, { order, keep, ...options }: SourceOptions = {}): Observable<Sample> {
  let listing: ImageListing | undefined;
  return pull(
    async function* (scope) {
      listing ??= await listImages(dir);
      yield* visit(listing, { order, keep, ...scope });
    },
    options,
    { jumps: true, order },
  );
}

/** The same from a listing that was made before, with boxes if there are any; for the parts of a folder that `openDataSet` split. */
export function listedImages(
  listing: ImageListing,
  { order, keep, ...options }: SourceOptions = {},
  annotations?: Annotations,
): Observable<Sample> {
  return pull(
    scope => {
      const found = visit(listing, { order, keep, ...scope });
      return annotations && options.boxes !== false ? annotated(found, annotations, scope) : found;
    },
    options,
    { jumps: true, order },
  );
}

async function* annotated(found: Iterable<Found>, annotations: Annotations, { start, wanted }: Reading): AsyncGenerator<Found | undefined> {
  let position = start;
  for (const each of found) {
    if (!wanted(position++)) {
      yield undefined;
      continue;
    }
    try {
      const boxes = await annotations.of(each.index);
      yield boxes ? { ...each, boxes } : each;
    } catch (error) {
      // of one image: it is for onError to say whether the run ends
      if (!(error instanceof MillraceError)) throw error;
      yield { ...each, fault: faultOf(error) };
    }
  }
}

function* visit({ dir, files, labels, faults }: ImageListing, visit: Visit): Generator<Found> {
  for (const index of places(labels, visit)) {
    const path = join(dir, files[index]);
    const fault = faults?.get(index);
    yield { key: path, label: labels[index], index, picture: { kind: 'file', path }, ...(fault !== undefined && { fault }) };
  }
}
