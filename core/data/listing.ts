import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { unreadable } from '../formats/unreadable.ts';
import { extensionOf, imageExtensions, isImageExtension } from './imageFiles.ts';
import { nameOf, systemPath } from './systemPath.ts';

/** What lies in an image folder: a path and a label a sample, nothing of the pictures. */
export interface ImageListing {
  readonly dir: string;
  /** Names of the class folders, sorted; a label is a position here. */
  readonly classes: readonly string[];
  /** `class/file` or `class/nested/file`, sorted by class, then by path. */
  readonly files: readonly string[];
  readonly labels: Int32Array;
  /** What a person would want to know: links that lead nowhere or in a circle. */
  readonly warnings?: readonly string[];
  /** By place: why an image cannot be used, whatever is in it. Its label is −1 if it is not known. */
  readonly faults?: ReadonlyMap<number, string>;
}

/** What lies in a folder. */
export interface FolderNames {
  readonly folders: string[];
  readonly files: string[];
  /** Links whose targets cannot be reached; those named as images are among `files`, and will be bad samples. */
  readonly lostLinks: string[];
}

/**
 * The names in a folder, dot files, pipes and devices left out, in code unit order: the same on every machine and in every locale.
 * What is not UTF-8 in them stands for itself (see `systemPath`).
 */
export async function listFolder(dir: string): Promise<FolderNames> {
  const entries = await readdirAny(dir).catch(error => {
    throw unreadable(dir, 'a folder that can be read', error);
  });
  const folders: string[] = [];
  const files: string[] = [];
  const lostLinks: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const kind = entry.isSymbolicLink() ? await stat(systemPath(join(dir, entry.name))).catch(() => undefined) : entry;
    if (!kind) lostLinks.push(entry.name);
    if (kind?.isDirectory()) folders.push(entry.name);
    else if (kind ? kind.isFile() : isImageExtension(extensionOf(entry.name))) files.push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort(), lostLinks: lostLinks.sort() };
}

type Entry = Pick<Dirent, 'name' | 'isDirectory' | 'isFile' | 'isSymbolicLink'>;

async function readdirAny(dir: string): Promise<Entry[]> {
  const path = systemPath(dir);
  const entries = await readdir(path, { withFileTypes: true });
  if (!entries.some(({ name }) => name.includes('\ufffd'))) return entries;
  const raw = await readdir(path, { withFileTypes: true, encoding: 'buffer' });
  return raw.map(entry => ({
    name: nameOf(entry.name),
    isDirectory: () => entry.isDirectory(),
    isFile: () => entry.isFile(),
    isSymbolicLink: () => entry.isSymbolicLink(),
  }));
}

/**
 * Lists an image folder: one folder per class, with images in it at any depth. Other files are left out.
 * Errors: a folder that is missing, unreadable or empty; fewer than two classes; a class without images.
 */
export async function listImages(dir: string): Promise<ImageListing> {
  const { folders: classes, files: loose, lostLinks } = await listFolder(dir);
  const where = `image folder ${dir}`;
  // a class that is not there would shift the labels of those behind it
  const lost = lostLinks.find(name => !isImageExtension(extensionOf(name)));
  if (lost !== undefined) {
    const fix = 'Mount what it leads to, or remove the link.';
    throw fail('data', `class folder ${join(dir, lost)}`, 'a link to a folder', 'a link to nothing', fix);
  }
  if (classes.length === 0) {
    const images = loose.filter(name => isImageExtension(extensionOf(name))).length;
    const got = images > 0 ? `${images} images directly in it` : loose.length > 0 ? `${loose.length} other files` : 'an empty folder';
    throw fail('data', where, 'one folder per class', got, 'Put the images of each class into a folder named after the class.');
  }
  if (classes.length === 1) {
    const fix = `A classifier needs at least two: add a folder beside ${classes[0]}, or give the folder above.`;
    throw fail('data', where, 'at least two class folders', `one, ${JSON.stringify(classes[0])}`, fix);
  }

  const files: string[] = [];
  const labels: number[] = [];
  const odd: OddLinks = { lost: [], loops: [] };
  const root = idOf(await reach(dir));
  for (const [label, name] of classes.entries()) {
    const all = await listDeep(dir, name, [root], odd);
    const images = all.filter(file => isImageExtension(extensionOf(file))).sort();
    if (images.length === 0) {
      const expected = `images (${imageExtensions.join(', ')})`;
      const fix = 'Add images to it, convert them, or remove the folder.';
      throw fail('data', `class folder ${join(dir, name)}`, expected, describeFiles(all), fix);
    }
    for (const file of images) {
      files.push(file);
      labels.push(label);
    }
  }
  return { dir, classes, files, labels: Int32Array.from(labels), warnings: warningsOf(odd) };
}

/** Paths of links that were passed over. */
interface OddLinks {
  readonly lost: string[];
  readonly loops: string[];
}

/** `above`: the folders that lead here, as the file system numbers them. */
async function listDeep(dir: string, below: string, above: readonly string[], odd: OddLinks): Promise<string[]> {
  const path = join(dir, below);
  const { folders, files, lostLinks } = await listFolder(path);
  for (const name of lostLinks) if (!files.includes(name)) odd.lost.push(join(path, name));
  const found = files.map(file => `${below}/${file}`);
  if (folders.length === 0) return found;
  const inside = [...above, idOf(await reach(path))];
  for (const folder of folders) {
    // a folder that links lead into again and again has no end
    if (inside.includes(idOf(await reach(join(path, folder))))) odd.loops.push(join(path, folder));
    else for (const file of await listDeep(dir, `${below}/${folder}`, inside, odd)) found.push(file);
  }
  return found;
}

const idOf = ({ dev, ino }: { readonly dev: number; readonly ino: number }): string => `${dev}:${ino}`;

async function reach(path: string): Promise<{ readonly dev: number; readonly ino: number }> {
  return stat(systemPath(path)).catch(error => {
    throw unreadable(path, 'a folder that can be read', error);
  });
}

function warningsOf({ lost, loops }: OddLinks): string[] {
  const told = (paths: readonly string[], one: string, several: string) =>
    paths.length === 0
      ? []
      : [
          `${paths.length === 1 ? `a link ${one}` : `${paths.length} links ${several}`}, passed over: ${paths.slice(0, 3).join(', ')}${paths.length > 3 ? ', …' : ''}`,
        ];
  return [
    ...told(lost, 'leads to nothing', 'lead to nothing'),
    ...told(loops, 'leads back to a folder above it', 'lead back to folders above them'),
  ];
}

/** `none but 12 .bmp files, 1 .txt file`, or `nothing`. */
function describeFiles(files: readonly string[]): string {
  if (files.length === 0) return 'nothing in it';
  const counts = new Map<string, number>();
  for (const file of files) {
    const extension = extensionOf(file);
    const kind = extension ? `.${extension}` : 'nameless-type';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const list = [...counts].map(([kind, count]) => `${count} ${kind} file${count === 1 ? '' : 's'}`);
  return `none but ${list.slice(0, 5).join(', ')}`;
}

/** Counts and names images that cannot be used, or what else is wrong with them. */
export function faultWarnings(
  nameOf: (place: number) => string,
  faults: ReadonlyMap<number, string> = new Map<number, string>(),
  what = 'cannot be used',
): string[] {
  if (faults.size === 0) return [];
  const named = [...faults].slice(0, 3).map(([place, reason]) => `${nameOf(place)}: ${reason}`);
  const many = faults.size === 1 ? '1 image' : `${faults.size.toLocaleString('en-US')} images`;
  return [`${many} ${what} (${named.join('; ')}${faults.size > 3 ? '; …' : ''})`];
}
