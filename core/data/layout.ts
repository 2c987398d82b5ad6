import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fail, type MillraceError } from '../errors.ts';
import { extensionOf, isImageExtension } from './imageFiles.ts';
import { listFolder } from './listing.ts';
import { isShard } from './shards.ts';

export type Split = 'train' | 'test';

/** What a data folder turned out to be. A part that is not there is undefined. */
export type Layout =
  | { readonly kind: 'idx'; readonly dir: string; readonly parts: Readonly<Record<Split, IdxPair>> }
  | { readonly kind: 'shards'; readonly dir: string; readonly parts: Readonly<Record<Split, readonly string[] | undefined>> }
  | { readonly kind: 'folders'; readonly dir: string; readonly parts: Readonly<Record<Split, string | undefined>> }
  /** Classes without a split. */
  | { readonly kind: 'folder'; readonly dir: string };

/** Paths; the name that was looked for where there is none. */
export interface IdxPair {
  readonly images: string;
  readonly labels: string;
  readonly missing: readonly string[];
}

/** What a folder or a shard's name says about the split; the first one that is there counts. */
const splitNames: Readonly<Record<Split, readonly string[]>> = { train: ['train'], test: ['test', 'val', 'validation'] };

const lookedFor = [
  'train-images-idx3-ubyte[.gz] with labels and t10k files (IDX)',
  'train/ and test/, val/ or validation/ holding *.tar, *.tar.gz or *.tgz, or train-*.tar[.gz] and test-* or val-*.tar[.gz] (WebDataset shards)',
  'train/ and test/, val/ or validation/ holding one folder per class (image folders)',
  'one folder per class with images in it (image folder without a split)',
];

/**
 * What a folder can be taken for, the most peculiar first; none if nobody knows it. Looks at names only, at most two folders deep.
 */
export async function recognise(dir: string): Promise<Layout[]> {
  const { folders, files } = await listFolder(dir);
  const found: Layout[] = [];

  const idx = { train: idxPair(dir, files, 'train'), test: idxPair(dir, files, 't10k') };
  if (idx.train.missing.length < 2 || idx.test.missing.length < 2) found.push({ kind: 'idx', dir, parts: idx });

  const shards = files.filter(isShard);
  const named = { train: shardsOf(dir, shards, 'train'), test: shardsOf(dir, shards, 'test') };
  const parts = { train: folderOf(folders, 'train'), test: folderOf(folders, 'test') };
  const insides = {
    train: parts.train === undefined ? undefined : await look(join(dir, parts.train)),
    test: parts.test === undefined ? undefined : await look(join(dir, parts.test)),
  };
  if (named.train || named.test) found.push({ kind: 'shards', dir, parts: named });
  else if (insides.train?.shards.length || insides.test?.shards.length) {
    const paths = { train: nonEmpty(insides.train?.shards), test: nonEmpty(insides.test?.shards) };
    found.push({ kind: 'shards', dir, parts: paths });
  }
  // A class may be called "train": then it holds images itself, not folders.
  if (insides.train?.holdsClasses || insides.test?.holdsClasses) {
    const paths = { train: insides.train && join(dir, parts.train!), test: insides.test && join(dir, parts.test!) };
    found.push({ kind: 'folders', dir, parts: paths });
  }
  // whatever is recognised may have folders beside it
  if (found.length === 0 && (await holdsImages(dir, folders))) found.push({ kind: 'folder', dir });
  return found;
}

async function holdsImages(dir: string, folders: readonly string[]): Promise<boolean> {
  for (const folder of folders) {
    const inside = await listFolder(join(dir, folder));
    // A class may keep its images in folders below: any folder in it will do, `listImages` looks closely.
    if (inside.files.some(isImage) || inside.folders.length > 0) return true;
  }
  return false;
}

/** The error for a folder that nobody knows: lists what was looked for, and what is there. */
export async function unrecognised(dir: string, alsoLookedFor: readonly string[]): Promise<MillraceError> {
  const { folders, files } = await listFolder(dir);
  return fail(
    'data',
    `data folder ${dir}`,
    `one of: ${[...lookedFor, ...alsoLookedFor].join('; ')}`,
    describe(folders, files),
    'Arrange the data in one of these ways, or give the folder that is.',
  );
}

/** The folder's own part for a split, or an error that says how to add it. */
export function partOf<T>(part: T | undefined, dir: string, split: Split, pattern: (name: string) => string): T {
  if (part !== undefined) return part;
  const wanted = splitNames[split].map(pattern).join(' or ');
  const other = split === 'train' ? 'the held-out part' : 'the training part';
  const fix =
    split === 'train'
      ? 'Add the images to learn from.'
      : 'Add held-out images, or give a plain folder of classes: a tenth of it is held out then.';
  const file = splitNames[split].find(name => statSync(join(dir, name), { throwIfNoEntry: false })?.isFile());
  const got = file === undefined ? `only ${other}` : `a file called ${file} and only ${other}`;
  throw fail('data', `data folder ${dir}`, wanted, got, fix);
}

function idxPair(dir: string, files: readonly string[], prefix: string): IdxPair {
  const missing: string[] = [];
  const find = (what: string, dimensions: number) => {
    // Some mirrors write a dot before idx.
    const pattern = new RegExp(`^${prefix}-${what}[-.]idx${dimensions}-ubyte(\\.gz)?$`);
    const name = files.find(file => pattern.test(file));
    if (name === undefined) missing.push(`${prefix}-${what}-idx${dimensions}-ubyte[.gz]`);
    return join(dir, name ?? missing.at(-1)!);
  };
  return { images: find('images', 3), labels: find('labels', 1), missing };
}

function shardsOf(dir: string, shards: readonly string[], split: Split): string[] | undefined {
  for (const name of splitNames[split]) {
    const found = shards.filter(shard => shard.startsWith(`${name}-`) || shard.startsWith(`${name}_`) || shard.startsWith(`${name}.`));
    if (found.length > 0) return found.map(shard => join(dir, shard));
  }
  return undefined;
}

function folderOf(folders: readonly string[], split: Split): string | undefined {
  return splitNames[split].find(name => folders.includes(name));
}

async function look(dir: string): Promise<{ readonly shards: string[]; readonly holdsClasses: boolean }> {
  const { folders, files } = await listFolder(dir);
  return { shards: files.filter(isShard).map(name => join(dir, name)), holdsClasses: folders.length > 0 };
}

function isImage(name: string): boolean {
  return isImageExtension(extensionOf(name));
}

function nonEmpty(list: string[] | undefined): string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}

function describe(folders: readonly string[], files: readonly string[]): string {
  if (folders.length + files.length === 0) return 'an empty folder';
  const shown = [...folders.map(name => `${name}/`), ...files].slice(0, 6);
  const more = folders.length + files.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
