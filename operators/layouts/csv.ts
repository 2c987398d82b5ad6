import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DataLayout, OpenSplit } from '../../core/data/dataLayout.ts';
import { chooseHeldOut, heldOutShare } from '../../core/data/heldOutPart.ts';
import { type ImageList, peekColumns, readImageList } from '../../core/data/imageList.ts';
import type { Split } from '../../core/data/layout.ts';
import { faultWarnings, type ImageListing, listFolder } from '../../core/data/listing.ts';
import type { DataSet } from '../../core/data/sample.ts';
import { readClassNames } from '../../core/data/shards.ts';
import { fail, show } from '../../core/errors.ts';
import { listedImages } from '../imageFolder.ts';
import { numbered } from '../openShards.ts';

const testNames = ['test', 'val', 'validation'];
const number = (value: number): string => value.toLocaleString('en-US');
const isList = (name: string): boolean => /\.(csv|tsv)$/i.test(name);

/**
 * A list of images and labels: `train.csv` and `test.csv`, `val.csv` or `validation.csv`; or one, `labels.csv` or the file that is
 * given, with a column for the split or without (then a tenth of each class is held out). Labels are names, or numbers from 0;
 * a `classes.txt` beside the list says which there are, and names the numbers.
 */
export const csv: DataLayout = {
  name: 'CSV',
  lookedFor: 'train.csv and test.csv or val.csv, or labels.csv, or a list that is given itself: path,label or path,label,split (CSV)',
  async recognise(dir, names) {
    if (isList(dir) && names.files.length + names.folders.length === 0 && (await isFile(dir))) {
      return split => openList(dir, undefined, split);
    }
    const find = (stems: readonly string[]) => names.files.find(name => isList(name) && stems.includes(name.slice(0, -4).toLowerCase()));
    const [train, test, one] = [find(['train']), find(testNames), find(['labels'])];
    const first = train ?? one;
    if (first === undefined) return undefined;
    if (!(await peekColumns(join(dir, first)))) return names.folders.length < 2 ? empty(join(dir, first)) : undefined;
    const open: OpenSplit = split => openList(join(dir, first), train && test && join(dir, test), split);
    return open;
  },
};

/** A list with nothing in it, where the folder is nothing else either. */
async function empty(path: string): Promise<OpenSplit | undefined> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.size === 0 ? split => openList(path, undefined, split) : undefined;
}

async function isFile(path: string): Promise<boolean> {
  const { files } = await listFolder(dirname(path)).catch(() => ({ files: [] as string[] }));
  return files.includes(basename(path));
}

/** @param held the list of held-out images, where that is another one. */
async function openList(path: string, held: string | undefined, split: Split): Promise<DataSet> {
  const list = await readImageList(path);
  const own = split === 'test' && held !== undefined ? await readImageList(held) : list;
  const named = await readClassNames(dirname(path));
  const classes = named ?? classesOf(list);
  const labels = labelsOf(own, classes, named ? 'classes.txt' : 'the training images');
  const whole: ImageListing = { dir: dirname(own.path), classes, files: own.files, labels };
  const { places, rule } = partOf(own, whole, held !== undefined, split);
  if (places.length === 0) throw missing(own, split);
  const faults = await missingFiles(own, places);
  const listing: ImageListing = {
    ...whole,
    faults,
    files: places.map(i => own.files[i]),
    labels: Int32Array.from(places, i => labels[i]),
  };
  const counts: number[] = classes.map(() => 0);
  for (const label of listing.labels) counts[label]++;
  return {
    description: `CSV ${own.path}, ${split} split: ${number(places.length)} images${rule}, ${classes.length} classes${named ? ' (from classes.txt)' : ''}`,
    classes,
    warnings: faultWarnings(place => listing.files[place], faults),
    counts,
    size: places.length,
    indexed: true,
    samples: options => listedImages(listing, options),
  };
}

const isNumber = (label: string): boolean => /^-?\d+$/.test(label);

/** Those of the training images: the names that occur, sorted, or "0" to the largest number. */
function classesOf({ path, labels, lines, splits }: ImageList): readonly string[] {
  const known = labels.filter((_, i) => splits?.[i] !== 'test');
  if (known.length === 0) throw fail('data', path, 'training images', 'none', 'Mark some as train in the column of the split.');
  if (!known.every(isNumber)) {
    const names = [...new Set(known)].sort();
    if (names.length >= 2) return names;
    throw fail(
      'data',
      path,
      'labels of at least two classes',
      `only ${show(names[0])}`,
      'A classifier needs two classes: check the labels.',
    );
  }
  const negative = known.findIndex(label => label.startsWith('-'));
  if (negative >= 0) {
    const line = lines[labels.indexOf(known[negative])];
    throw fail('data', `${path}, line ${line}`, 'a label from 0', known[negative], 'Number the classes from 0.');
  }
  return numbered(
    known.reduce((max, label) => Math.max(max, Number(label)), 0),
    path,
  );
}

/** By name, or by number where labels are numbers. The error names the line. */
function labelsOf({ path, labels, lines }: ImageList, classes: readonly string[], source: string): Int32Array {
  const places = new Map(classes.map((name, label) => [name, label]));
  const numeric = labels.every(isNumber);
  return Int32Array.from(labels, (text, i) => {
    const label = places.get(text) ?? (numeric ? Number(text) : -1);
    if (label >= 0 && label < classes.length) return label;
    const where = `${path}, line ${lines[i]}`;
    if (numeric)
      throw fail(
        'data',
        where,
        `a label from 0 to ${classes.length - 1}, as ${source} has`,
        text,
        'Correct it, or name the class in classes.txt.',
      );
    const shown = `${classes.slice(0, 8).join(', ')}${classes.length > 8 ? ', …' : ''}`;
    throw fail('data', where, `one of the classes of ${source} (${shown})`, show(text), 'Correct it, or add the class.');
  });
}

interface Part {
  readonly places: readonly number[];
  /** For descriptions. */
  readonly rule: string;
}

function partOf({ splits, files }: ImageList, listing: ImageListing, separate: boolean, split: Split): Part {
  const all = [...files.keys()];
  if (splits) return { places: all.filter(i => splits[i] === split), rule: '' };
  if (separate) return { places: all, rule: '' };
  const heldOut = chooseHeldOut(listing);
  const rule = ` of ${number(files.length)} (one in ${heldOutShare} of each class is held out, chosen by a hash of its path)`;
  return { places: all.filter(i => heldOut.has(i) === (split === 'test')), rule };
}

function missing({ path, splits }: ImageList, split: Split): Error {
  const expected = split === 'train' ? 'training images' : 'held-out images';
  const fix = splits ? `Mark some as ${split === 'train' ? 'train' : 'val or test'} in the column of the split.` : 'Add images.';
  return fail('data', path, expected, splits ? 'none' : 'a single image of each class', fix);
}

/**
 * What is wrong with images of which there is no file, by their place among `places`: a folder is listed at a time, since a million looks one
 * by one would take a minute. An error, naming the first line, if there is none of all.
 */
async function missingFiles({ path, files, lines }: ImageList, places: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const faults = new Map<number, string>();
  const dir = dirname(path);
  const known = new Map<string, ReadonlySet<string> | undefined>();
  for (const [place, i] of places.entries()) {
    const folder = dirname(files[i]);
    if (!known.has(folder)) {
      const names = await listFolder(join(dir, folder)).catch(() => undefined);
      known.set(folder, names && new Set(names.files));
    }
    if (known.get(folder)?.has(basename(files[i]))) continue;
    const got = known.get(folder) ? 'no file of that name' : `no folder ${join(dir, folder)} that can be read`;
    faults.set(place, `${path}, line ${lines[i]}: ${got}`);
    if (faults.size < places.length) continue;
    const [first] = places;
    const expected = `the image ${show(files[first])} in ${dir}`;
    throw fail(
      'data',
      `${path}, line ${lines[first]}`,
      expected,
      'none of its images',
      'Correct the paths: they are relative to the list.',
    );
  }
  return faults;
}
