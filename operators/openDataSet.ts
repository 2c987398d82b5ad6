import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Annotations, annotationsFolder, vocAnnotations } from '../core/data/annotations.ts';
import type { OpenSplit, OpenWatch, PlaceNames } from '../core/data/dataLayout.ts';
import { chooseHeldOut, heldOutShare } from '../core/data/heldOutPart.ts';
import { devkitIn } from '../core/data/imagenet/devkit.ts';
import { isWnid, namesOf, synsetMappingIn } from '../core/data/imagenet/synsets.ts';
import { type IdxPair, type Layout, partOf, recognise, type Split, unrecognised } from '../core/data/layout.ts';
import { type ImageListing, listFolder, listImages } from '../core/data/listing.ts';
import type { DataSet } from '../core/data/sample.ts';
import { readClassNames } from '../core/data/shards.ts';
import { systemPath } from '../core/data/systemPath.ts';
import { fail, MillraceError, show } from '../core/errors.ts';
import { openIdx, readIdxHeader } from '../core/formats/idx.ts';
import { idx } from './idx.ts';
import { listedImages } from './imageFolder.ts';
import { layouts } from './layouts/index.ts';
import { numbered, openShards } from './openShards.ts';

/**
 * Opens a data folder, whichever of these it is, and says so in `description`:
 *
 * - image folders: `train/` and `test/`, `val/` or `validation/`, each with one folder per class;
 * - an image folder without a split: a tenth of each class is held out, chosen by a hash of the names, so that the choice is
 *   the same on every machine;
 * - WebDataset shards: in such folders, or side by side as `train-*.tar[.gz]` and `test-*` or `val-*.tar[.gz]`;
 * - MNIST-style IDX files: `train-images-idx3-ubyte[.gz]`, `train-labels-idx1-ubyte[.gz]`, `t10k-…`;
 * - those of `layouts/`: ImageNet's, CIFAR's binaries, lists of images and labels as CSV (`dir` may be such a list itself).
 *
 * Class names come from class folders or from `classes.txt` (one a line, in the order of the labels) beside shards or IDX
 * files; without it the training labels are read once and the classes are called "0", "1", …. Shards tell their size if an
 * `index.json` (`{ "shards": { "train-000.tar.gz": 1500 } }`) lies beside them, and can be read in any order if each has an
 * index (`train-00000.tar.index`, as `millrace data DIR shard OUT` writes it).
 *
 * `Annotations` beside `train/` or beside a folder without a split holds boxes as PASCAL VOC files, named as the images are
 * (`Annotations/train/cat/1.xml`, or without the `train`).
 *
 * The index of ImageNet's archives is made once, in a minute or more for 140 GB from a disk: `indexing` is told how far it is, and aborting
 * `signal` ends it.
 *
 * Where a folder is two of them, the more peculiar is taken and a warning names both; `layout` chooses.
 *
 * Errors: a folder that is none of these, with the list of what was looked for; a missing part; and what the sources say.
 */
export async function openDataSet(dir: string, { split, layout, ...watch }: OpenOptions): Promise<DataSet> {
  const names = (await isFolder(dir)) ? await listFolder(dir) : { folders: [], files: [] };
  const found = await layoutsIn(dir, names);
  if (found.length === 0) {
    throw await unrecognised(
      dir,
      layouts.map(({ lookedFor }) => lookedFor),
    );
  }
  const chosen = layout === undefined ? found[0] : found.find(({ name }) => name === layout);
  const all = found.map(({ name }) => name);
  if (!chosen) {
    throw fail('usage', `data folder ${dir}`, `a layout that is there: ${all.join(', ')}`, show(layout), 'Choose one of these, or none.');
  }
  const set = await chosen.open(split, watch);
  if (layout !== undefined || found.length === 1) return set;
  const others = all.slice(1).join(' and ');
  const both = `${dir} also holds ${others}: taken is ${chosen.name}. To choose: --layout ${all.join(' or ')}`;
  return { ...set, warnings: [both, ...(set.warnings ?? [])] };
}

export interface OpenOptions extends OpenWatch {
  readonly split: Split;
  /** Which of a folder's layouts is meant, where it has two; the warning about it says what they are called. */
  readonly layout?: string;
}
interface FoundLayout {
  /** `shards`, `folders`, `imagenet-archives`. */
  readonly name: string;
  readonly open: OpenSplit;
}

/** Everything that a folder can be taken for, in the order of preference. */
async function layoutsIn(dir: string, names: PlaceNames): Promise<FoundLayout[]> {
  const found: FoundLayout[] = [];
  const covered = new Set<Layout['kind']>(['folder']);
  for (const layout of layouts) {
    // the first one found is meant, so its errors are to be told; those of others are not
    const open = found.length === 0 ? await layout.recognise(dir, names) : await layout.recognise(dir, names).catch(() => undefined);
    if (!open) continue;
    found.push({ name: layout.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'), open });
    for (const kind of layout.covers ?? []) covered.add(kind);
  }
  const plain = await recognise(dir).catch(error => {
    if (found.length > 0) return [];
    throw error;
  });
  const first = found.length === 0;
  for (const layout of plain) {
    if (!first && covered.has(layout.kind)) continue;
    found.push({ name: layout.kind, open: (split, watch) => openPlain(layout, split, watch) });
  }
  return found;
}

function openPlain(layout: Layout, split: Split, watch: OpenWatch): Promise<DataSet> {
  if (layout.kind === 'idx') return openIdxPair(layout, split);
  if (layout.kind === 'shards') return openShards(layout, split, watch);
  if (layout.kind === 'folders') return openSplitFolders(layout, split);
  return openWholeFolder(layout.dir, split);
}

async function isFolder(path: string): Promise<boolean> {
  // what cannot be looked at is told by `recognise`
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function openIdxPair({ dir, parts }: Layout & { kind: 'idx' }, split: Split): Promise<DataSet> {
  const pair = whole(dir, parts[split]);
  const named = await readClassNames(dir);
  const classes = named ?? numbered(await largestIdxLabel(whole(dir, parts.train).labels), parts.train.labels);
  const { dims } = await readIdxHeader(pair.images, [3, 4]);
  const origin = named ? 'from classes.txt' : 'counted in the training labels';
  return {
    description: `IDX files, ${split} split: ${number(dims[0])} images of ${dims.slice(1).join('×')}, ${classes.length} classes (${origin})`,
    classes,
    size: dims[0],
    samples: options => idx(pair.images, { ...options, labels: pair.labels, classes: classes.length }),
  };
}

function whole(dir: string, pair: IdxPair): IdxPair {
  if (pair.missing.length === 0) return pair;
  throw fail(
    'data',
    `data folder ${dir}`,
    `the IDX file ${pair.missing[0]}`,
    'the others without it',
    'Fetch the missing file into the folder.',
  );
}

async function largestIdxLabel(path: string): Promise<number> {
  const file = await openIdx(path, [1]);
  let largest = 0;
  for await (const [label] of file.items()) largest = Math.max(largest, label);
  return largest;
}

async function openSplitFolders({ dir, parts }: Layout & { kind: 'folders' }, split: Split): Promise<DataSet> {
  const part = partOf(parts[split], dir, split, name => `${name}/`);
  const listing = await listImages(part);
  const reference = parts.train === undefined || split === 'train' ? listing.classes : (await listFolder(parts.train)).folders;
  const shown = join(dir, basename(part));
  const labeled = relabel(listing, reference);
  const drawn = join(dir, annotationsFolder);
  // the folder is of both splits if it does not tell them apart
  const own = await vocAnnotations([join(drawn, basename(part))], labeled);
  const annotations = own ?? (await vocAnnotations([drawn], labeled, 'unknown'));
  const words = await wordsFor(dir, reference);
  const warnings = [
    ...(labeled.warnings ?? []),
    ...words.warnings,
    ...oddNames(reference),
    ...(await mixedUp(parts, split)),
    ...without(labeled, split),
  ];
  return fromListing(
    { ...labeled, warnings },
    `image folder ${shown}, ${split} split: ${number(listing.files.length)} images`,
    annotations,
    words.names,
  );
}

/**
 * What people call classes that are synsets, by the mapping or the development kit beside the folders. Labels do not depend on these: what is
 * wrong with them is a warning.
 */
async function wordsFor(
  dir: string,
  classes: readonly string[],
): Promise<{ readonly names?: readonly string[]; readonly warnings: readonly string[] }> {
  if (!classes.every(isWnid)) return { warnings: [] };
  try {
    const beside = await listFolder(dir);
    const synsets = (await synsetMappingIn(dir, beside.files)) ?? (await devkitIn(dir, beside))?.classes;
    if (!synsets) return { warnings: [] };
    const names = namesOf(classes, synsets);
    const unknown = classes.filter((id, i) => names[i] === id);
    const many = unknown.length === 1 ? 'one class' : `${number(unknown.length)} classes`;
    const warning = `${many} (${unknown.slice(0, 3).join(', ')}${unknown.length > 3 ? ', …' : ''}) the synsets beside the folders do not name: they may be of other data`;
    return { names, warnings: unknown.length > 0 ? [warning] : [] };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { warnings: [`classes go without names: ${error.message}`] };
  }
}

/** Where nearly all classes are synsets, another one is likely no class. */
function oddNames(classes: readonly string[]): string[] {
  const odd = classes.filter(name => !isWnid(name));
  if (odd.length === 0 || odd.length * 10 > classes.length) return [];
  const named = odd.slice(0, 3).join(', ');
  return [
    `${odd.length === 1 ? `the class folder ${named} is no synset id` : `${odd.length} class folders are no synset ids (${named})`}, as all others are`,
  ];
}

/** Held-out images that the model learns from say nothing. */
async function mixedUp({ train, test }: Readonly<Record<Split, string | undefined>>, split: Split): Promise<string[]> {
  if (split === 'train' || train === undefined || test === undefined) return [];
  const same = (await realpath(systemPath(train))) === (await realpath(systemPath(test)));
  return same ? [`${train} and ${test} are the same folder: accuracy will be that on the training images`] : [];
}

/** Classes of the training part that the held-out part has no images of. */
function without(listing: ImageListing, split: Split): string[] {
  if (split === 'train') return [];
  const counts = countsOf(listing);
  const none = listing.classes.filter((_, label) => counts[label] === 0);
  if (none.length === 0) return [];
  const named = `${none.slice(0, 3).join(', ')}${none.length > 3 ? ', …' : ''}`;
  return [`no held-out images of ${none.length} of the ${number(listing.classes.length)} classes (${named})`];
}

/** Labels by the classes of the training part: a held-out part may lack one, and then its own numbering would be off. */
function relabel(listing: ImageListing, classes: readonly string[]): ImageListing {
  const places = listing.classes.map(name => {
    const place = classes.indexOf(name);
    if (place >= 0) return place;
    const fix = 'Name the class folders alike in both parts.';
    throw fail(
      'data',
      `class folder ${join(listing.dir, name)}`,
      `one of the training classes (${classes.slice(0, 8).join(', ')}${classes.length > 8 ? ', …' : ''})`,
      name,
      fix,
    );
  });
  return { ...listing, classes, labels: listing.labels.map(label => places[label]) };
}

async function openWholeFolder(dir: string, split: Split): Promise<DataSet> {
  const listing = await listImages(dir);
  const heldOut = chooseHeldOut(listing);
  const chosen = [...listing.files.keys()].filter(i => heldOut.has(i) === (split === 'test'));
  if (chosen.length === 0) {
    const fix = 'Add images, or put a train and a test folder into it.';
    throw fail(
      'data',
      `image folder ${dir}`,
      'a class with at least two images, so that one can be held out',
      `${listing.files.length} classes of one image`,
      fix,
    );
  }
  const part: ImageListing = {
    ...listing,
    files: chosen.map(i => listing.files[i]),
    labels: Int32Array.from(chosen, i => listing.labels[i]),
  };
  const rule = `one in ${heldOutShare} of each class is held out, chosen by a hash of its name`;
  const beside = join(dirname(dir), annotationsFolder);
  const annotations = await vocAnnotations([join(beside, basename(dir)), beside], part, listing.files);
  return fromListing(
    part,
    `image folder ${dir} without a split, ${split} part: ${number(chosen.length)} of ${number(listing.files.length)} images (${rule})`,
    annotations,
  );
}

function fromListing(listing: ImageListing, description: string, annotations?: Annotations, names?: readonly string[]): DataSet {
  return {
    description: `${description}, ${listing.classes.length} classes${annotations ? `, ${annotations.note}` : ''}`,
    classes: listing.classes,
    ...(names && { names }),
    warnings: [...(listing.warnings ?? []), ...(annotations?.warnings ?? [])],
    size: listing.files.length,
    counts: countsOf(listing),
    indexed: true,
    samples: options => listedImages(listing, options, annotations),
  };
}

function countsOf({ classes, labels }: ImageListing): number[] {
  const counts: number[] = classes.map(() => 0);
  for (const label of labels) counts[label]++;
  return counts;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
