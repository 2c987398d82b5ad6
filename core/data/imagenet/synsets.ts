import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../errors.ts';
import { unreadable } from '../../formats/unreadable.ts';

/** ImageNet's class of a folder or archive: `n01440764`, WordNet 3.0's noun at offset 01440764. */
export const isWnid = (name: string): boolean => /^n\d{8}$/.test(name);

/** Classes in the one order that every model of ImageNet uses: sorted by synset id. */
export interface Synsets {
  readonly ids: readonly string[];
  /** What people call them: `tench, Tinca tinca`. */
  readonly names: readonly string[];
}

/** Kaggle's list of synsets: `n01440764 tench, Tinca tinca`, a line each, in any order. */
export async function readSynsetMapping(path: string): Promise<Synsets> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw unreadable(path, 'a list of synsets', error);
  });
  const entries = text
    .split(/\r?\n/)
    .filter(line => line.trim() !== '')
    .map((line, i) => {
      const [id, ...words] = line.split(' ');
      if (isWnid(id)) return [id, words.join(' ').trim()] as const;
      const fix = 'Write a synset id and its words on each line.';
      throw fail('data', `${path}, line ${i + 1}`, 'a synset id such as n01440764 first', JSON.stringify(line.slice(0, 40)), fix);
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const twice = entries.find(([id], i) => id === entries[i + 1]?.[0]);
  if (twice) throw fail('data', path, 'every synset once', `${twice[0]} twice`, 'Remove one of the lines.');
  return { ids: entries.map(([id]) => id), names: entries.map(([, words]) => words) };
}

/** The mapping that lies in a folder, if there is one. */
export async function synsetMappingIn(dir: string, files: readonly string[]): Promise<Synsets | undefined> {
  return files.includes(mappingFile) ? readSynsetMapping(join(dir, mappingFile)) : undefined;
}
export const mappingFile = 'LOC_synset_mapping.txt';

/** The names of these classes; their ids where no name is known. */
export function namesOf(ids: readonly string[], synsets: Synsets | undefined): string[] {
  const known = new Map(synsets?.ids.map((id, i) => [id, synsets.names[i]]));
  return ids.map(id => known.get(id) ?? id);
}
