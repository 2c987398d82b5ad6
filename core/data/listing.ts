import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { unreadable } from '../formats/unreadable.ts';
import { extensionOf, imageExtensions, isImageExtension } from './imageFiles.ts';

/** What lies in an image folder: a path and a label a sample, nothing of the pictures. */
export interface ImageListing {
  readonly dir: string;
  /** Names of the class folders, sorted; a label is a position here. */
  readonly classes: readonly string[];
  /** `class/file` or `class/nested/file`, sorted by class, then by path. */
  readonly files: readonly string[];
  readonly labels: Int32Array;
}

/** The names in a folder, dot files left out, in code unit order: the same on every machine and in every locale. */
export async function listFolder(dir: string): Promise<{ readonly folders: string[]; readonly files: string[] }> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(error => {
    throw unreadable(dir, 'a folder that can be read', error);
  });
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const kind = entry.isSymbolicLink() ? await target(dir, entry) : entry;
    if (kind.isDirectory()) folders.push(entry.name);
    else if (kind.isFile()) files.push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort() };
}

async function target(dir: string, entry: Dirent): Promise<{ isDirectory(): boolean; isFile(): boolean }> {
  const path = join(dir, entry.name);
  return stat(path).catch(error => {
    throw unreadable(path, 'a link to a file or a folder', error);
  });
}

/**
 * Lists an image folder: one folder per class, with images in it at any depth. Other files are left out.
 * Errors: a folder that is missing, unreadable or empty; fewer than two classes; a class without images.
 */
export async function listImages(dir: string): Promise<ImageListing> {
  const { folders: classes, files: loose } = await listFolder(dir);
  const where = `image folder ${dir}`;
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
  for (const [label, name] of classes.entries()) {
    const all = await listDeep(dir, name);
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
  return { dir, classes, files, labels: Int32Array.from(labels) };
}

async function listDeep(dir: string, below: string): Promise<string[]> {
  const { folders, files } = await listFolder(join(dir, below));
  const found = files.map(file => `${below}/${file}`);
  for (const folder of folders) {
    for (const file of await listDeep(dir, `${below}/${folder}`)) found.push(file);
  }
  return found;
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
