import { readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, type MillraceError } from '../errors.ts';
import { unreadable } from '../formats/unreadable.ts';
import { parseVoc } from '../formats/voc.ts';
import { type ImageListing, listFolder } from './listing.ts';
import type { Box } from './sample.ts';
import { systemPath } from './systemPath.ts';

/** What people drew into the pictures of a listing. */
export interface Annotations {
  /** For descriptions: `boxes of 12 images; 1 annotation belongs to no image`. */
  readonly note: string;
  /** Annotations that belong to no image, counted and named. */
  readonly warnings: readonly string[];
  /** The boxes of the image at a place of the listing; undefined if nobody drew any. Throws if what is written about this image is wrong. */
  of(place: number): Promise<readonly Box[] | undefined> | readonly Box[] | undefined;
}

/** The folder's name, as PASCAL VOC and ImageNet have it. */
export const annotationsFolder = 'Annotations';

/** `n01440764/n01440764_10026.JPEG` → `n01440764/n01440764_10026`. */
const stemOf = (file: string): string => file.replace(/\.[^./]*$/, '');
const lastOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Which of an image's possible files there is. */
const [none, samePath, sameName] = [0, 1, 2];

/**
 * PASCAL VOC files of a listing's images, in the first of these folders that there is: `ROOT/cat/1.xml` for `cat/1.jpg`, or
 * `ROOT/1.xml`. Their names are listed now, and each is read when its sample comes; a broken one is an error then.
 *
 * `all` are the images that the folder is about, if the listing is but a part of them; 'unknown' if it may be about more.
 */
export async function vocAnnotations(
  roots: readonly string[],
  { classes, files }: ImageListing,
  all: readonly string[] | 'unknown' = files,
): Promise<Annotations | undefined> {
  for (const root of roots) {
    if (!(await stat(root).catch(() => undefined))?.isDirectory()) continue;
    const stems = new Set<string>();
    await listStems(root, '', stems);
    const alike = [...stems].some(stem => !stem.includes('/')) ? timesOf(files) : undefined;
    const kindOf = (stem: string): number => {
      if (stems.has(stem)) return samePath;
      const name = lastOf(stem);
      // of two images of one name nobody knows which is meant
      return stems.has(name) && alike?.get(name) === 1 ? sameName : none;
    };
    const kinds = Uint8Array.from(files, file => kindOf(stemOf(file)));
    const labels = new Map(classes.map((name, label) => [name, label]));
    const known = kinds.reduce((sum, kind) => sum + (kind === none ? 0 : 1), 0);
    // a folder of that name that has nothing to do with these images
    if (known === 0) continue;
    if (all !== 'unknown') {
      for (const file of all) {
        const stem = stemOf(file);
        if (!stems.delete(stem)) stems.delete(lastOf(stem));
      }
    }
    return {
      ...noteOf(known, all === 'unknown' ? [] : [...stems].map(stem => `${stem}.xml`), root),
      async of(place) {
        if (kinds[place] === none) return undefined;
        const stem = stemOf(files[place]);
        const path = join(root, `${kinds[place] === samePath ? stem : lastOf(stem)}.xml`);
        const text = await readFile(systemPath(path), 'utf8').catch(error => {
          throw unreadable(path, 'the annotation of an image', error);
        });
        return parseVoc(text, path).map(({ name, line, ...edges }) => {
          const label = labels.get(name);
          if (label !== undefined) return { label, ...edges };
          const fix = 'Remove the object, or the annotation, or add the class.';
          throw fail('data', `${path}, line ${line}`, `one of the ${classes.length} classes`, JSON.stringify(name.slice(0, 40)), fix);
        });
      },
    };
  }
  return undefined;
}

/** How many images have each name. */
function timesOf(files: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const file of files) {
    const name = lastOf(stemOf(file));
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  return times;
}

/** `above`: where the folders above lie in truth; a link that leads back to one of them is passed over, as among images. */
async function listStems(dir: string, below: string, into: Set<string>, above: readonly string[] = []): Promise<void> {
  const here = await realpath(systemPath(join(dir, below))).catch(() => '');
  if (above.includes(here)) return;
  const { folders, files } = await listFolder(join(dir, below));
  for (const name of files) if (name.endsWith('.xml')) into.add(below + name.slice(0, -'.xml'.length));
  for (const folder of folders) await listStems(dir, `${below}${folder}/`, into, [...above, here]);
}

/** What Kaggle's solution file says about the images of a listing. */
export interface Solution extends Annotations {
  /** The class of each image; −1 where the file has no line for it, or a wrong one. */
  readonly labels: Int32Array;
  /** By place: what is wrong with an image's line. */
  readonly faults: ReadonlyMap<number, string>;
}

/**
 * Kaggle's `LOC_train_solution.csv` and `LOC_val_solution.csv`: `ImageId,PredictionString`, the string being
 * `n02965783 12 34 56 78` (synset, x1, y1, x2, y2) once for each object; the first synset is the image's class. Pixels are
 * counted as in the XML files: from 1, the last ones inside.
 * A wrong line (a synset that is not a class, a string that does not go up in fives) is a fault of its image; an error, if there is no
 * image with a right one.
 */
export async function readSolution(
  path: string,
  { classes, files }: Pick<ImageListing, 'classes' | 'files'>,
  named: string,
): Promise<Solution> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw unreadable(path, 'the solution with classes and boxes of the images', error);
  });
  const labelOf = new Map(classes.map((id, label) => [id, label]));
  const placeOf = new Map(files.map((file, place) => [lastOf(stemOf(file)), place]));
  const labels = new Int32Array(files.length).fill(-1);
  // [label, x1, y1, x2, y2] of one object after the other; those of image i from starts[i], counts[i] of them
  const values: number[] = [];
  const starts = new Int32Array(files.length);
  const counts = new Int32Array(files.length);
  const strangers: string[] = [];
  const errors = new Map<number, MillraceError>();
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const comma = line.indexOf(',');
    const prediction = comma < 0 ? '' : line.slice(comma + 1).trim();
    const words = prediction.split(/\s+/);
    const id = comma < 0 ? line.trim() : line.slice(0, comma);
    const place = placeOf.get(id);
    if (place === undefined) {
      // the first line has the names of the columns
      if (i > 0) strangers.push(id);
      continue;
    }
    const start = values.length;
    const wrong = addObjects(words, labelOf, values, named);
    if (wrong) {
      values.length = start;
      const fix = 'Fetch the file again, or the mapping that belongs to it.';
      errors.set(place, fail('data', `${path}, line ${i + 1}`, wrong, JSON.stringify(prediction.slice(0, 40)), fix));
      continue;
    }
    errors.delete(place);
    labels[place] = values[start];
    starts[place] = start;
    counts[place] = (values.length - start) / 5;
  }
  const [first] = errors.values();
  if (first && labels.every(label => label < 0)) throw first;
  const table = Float32Array.from(values);
  return {
    labels,
    faults: new Map([...errors].map(([place, error]) => [place, faultOf(error)])),
    ...noteOf(
      counts.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0),
      strangers,
      path,
    ),
    of(place) {
      const fault = errors.get(place);
      if (fault) throw fault;
      if (counts[place] === 0) return undefined;
      return Array.from({ length: counts[place] }, (_, i) => {
        const [label, x1, y1, x2, y2] = table.subarray(starts[place] + 5 * i);
        return { label, top: y1 - 1, left: x1 - 1, bottom: y2, right: x2 };
      });
    },
  };
}

/** Adds [label, x1, y1, x2, y2] of each object, or says what was expected. */
function addObjects(words: readonly string[], labelOf: ReadonlyMap<string, number>, values: number[], named: string): string | undefined {
  for (let at = 0; at < words.length; at += 5) {
    const label = labelOf.get(words[at]);
    if (label === undefined) return `a synset of ${named}`;
    const edges = words.slice(at + 1, at + 5).map(Number);
    if (edges.length < 4 || !edges.every(Number.isFinite)) return 'a synset and four numbers for each object';
    values.push(label, ...edges);
  }
  return undefined;
}

/** An error about one image as the reason why it is a bad sample. */
export function faultOf({ complaint: { where, expected, got } }: MillraceError): string {
  return `${where}: expected ${expected}, got ${got}`;
}

function noteOf(images: number, strangers: readonly string[], where: string): Pick<Annotations, 'note' | 'warnings'> {
  const { length } = strangers;
  const lost = length === 1 ? '1 annotation belongs to no image' : `${length.toLocaleString('en-US')} annotations belong to no image`;
  const named = `${strangers.slice(0, 3).join(', ')}${length > 3 ? ', …' : ''}`;
  return {
    note: `boxes of ${images.toLocaleString('en-US')} image${images === 1 ? '' : 's'}${length > 0 ? `; ${lost}` : ''}`,
    warnings: length > 0 ? [`${where}: ${lost} (${named})`] : [],
  };
}
