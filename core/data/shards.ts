import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, show } from '../errors.ts';
import { unreadable } from '../formats/unreadable.ts';
import { listFolder } from './listing.ts';

/** True for the names that shards have. */
export function isShard(name: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/i.test(name);
}

/** The shards of a folder, sorted by name; an error if there are none. */
export async function listShards(dir: string): Promise<string[]> {
  const { folders, files } = await listFolder(dir);
  const shards = files.filter(isShard);
  if (shards.length === 0) {
    const got = files.length + folders.length === 0 ? 'an empty folder' : `${folders.length} folders and ${files.length} other files`;
    throw fail('data', `WebDataset folder ${dir}`, 'shards named *.tar, *.tar.gz or *.tgz', got, 'Give the folder that holds the shards.');
  }
  return shards.map(name => join(dir, name));
}

/**
 * How many samples each shard holds, from an `index.json` beside them, by the shard's path:
 * `{ "shards": { "train-000.tar.gz": 1500, "test/000.tar": 1000 } }`, names relative to the index. Undefined without one.
 */
export async function readShardCounts(dir: string): Promise<ReadonlyMap<string, number> | undefined> {
  const path = join(dir, 'index.json');
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw fail('data', path, 'JSON', (error as Error).message, 'Correct it, or remove it: it is optional.', error);
  }
  const shards = typeof content === 'object' && content !== null && 'shards' in content ? content.shards : undefined;
  const entries = typeof shards === 'object' && shards !== null ? Object.entries(shards) : [];
  if (entries.length === 0 || !entries.every(([, count]) => Number.isInteger(count) && count >= 0)) {
    const fix = 'Give the number of samples for each shard, or remove the file: it is optional.';
    throw fail('data', path, '{ "shards": { "train-000.tar.gz": 1500 } }', show(content).slice(0, 80), fix);
  }
  return new Map(entries.map(([name, count]) => [join(dir, name), Number(count)]));
}

/** The class names in a `classes.txt`, one a line; undefined without one. */
export async function readClassNames(dir: string): Promise<string[] | undefined> {
  const path = join(dir, 'classes.txt');
  const text = await readOptional(path);
  if (text === undefined) return undefined;
  const names = text.split(/\r?\n/).map(line => line.trim());
  while (names.at(-1) === '') names.pop();
  const fix = 'Write the name of every class on a line of its own, in the order of the labels.';
  if (names.length < 2) throw fail('data', path, 'at least two class names', String(names.length), fix);
  const odd = names.findIndex((name, i) => name === '' || names.indexOf(name) !== i);
  if (odd >= 0) throw fail('data', `${path}, line ${odd + 1}`, 'a new name', show(names[odd]), fix);
  return names;
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, 'a file that can be read', error);
  }
}
