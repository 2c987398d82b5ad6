import { stat } from 'node:fs/promises';
import { fail } from '../../errors.ts';
import { listFolder } from '../listing.ts';
import { devkitIn } from './devkit.ts';
import { devkitSynsets, Hierarchy } from './hierarchy.ts';
import { isWnid } from './synsets.ts';
import { findWordNet, readWordNet } from './wordnet.ts';

export interface HierarchyPlace {
  /** The data's folder, where the development kit may lie. */
  readonly dir: string;
  /** A folder with WordNet 3.0's `data.noun`; it comes before the kit. */
  readonly wordnet?: string;
}

/** The hierarchy above the classes, and where it is from. */
export interface FoundHierarchy {
  readonly hierarchy: Hierarchy;
  /** `the development kit`, `WordNet in /usr/share/wordnet`. */
  readonly origin: string;
}

/**
 * From WordNet where it is given; else from the development kit beside the data, if it has all classes; else from WordNet in
 * one of its usual folders. Undefined if classes are not called by synset ids, or there is neither.
 */
export async function findHierarchy(classes: readonly string[], { dir, wordnet }: HierarchyPlace): Promise<FoundHierarchy | undefined> {
  if (classes.length === 0 || !classes.every(isWnid)) return undefined;
  if (wordnet === undefined && (await stat(dir).catch(() => undefined))?.isDirectory()) {
    const kit = await devkitIn(dir, await listFolder(dir));
    const known = new Set(kit?.synsets.map(({ wnid }) => wnid));
    if (kit && classes.every(id => known.has(id))) {
      return { hierarchy: new Hierarchy(classes, devkitSynsets(kit.synsets)), origin: 'the development kit' };
    }
  }
  const folder = wordnet ?? (await findWordNet());
  if (folder === undefined) return undefined;
  return { hierarchy: new Hierarchy(classes, await readWordNet(folder)), origin: `WordNet in ${folder}` };
}

/** The same, and an error where there is none. */
export async function openHierarchy(classes: readonly string[], place: HierarchyPlace): Promise<FoundHierarchy> {
  const found = await findHierarchy(classes, place);
  if (found) return found;
  const where = `data folder ${place.dir}`;
  const odd = classes.find(id => !isWnid(id));
  if (odd !== undefined) {
    const fix = 'Only classes that are called by the ids of WordNet have a hierarchy.';
    throw fail('data', where, 'classes that are synset ids, such as n01440764', JSON.stringify(odd), fix);
  }
  const fix =
    "Install Debian's package wordnet-base, give the folder of WordNet 3.0's data.noun (--wordnet DIR), or put the kit beside the data.";
  throw fail('data', where, 'the development kit beside the data, or WordNet 3.0', 'neither', fix);
}
