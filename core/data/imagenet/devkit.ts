import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../errors.ts';
import { type MatValue, readMat } from '../../formats/mat.ts';
import { readTar } from '../../formats/tar.ts';
import { unreadable } from '../../formats/unreadable.ts';
import type { Synsets } from './synsets.ts';

/** A synset of the development kit: a class if it has no children. */
export interface DevkitSynset {
  /** ILSVRC2012_ID: numbers from 1, leaves first, in an order of their own. */
  readonly id: number;
  readonly wnid: string;
  readonly words: string;
  readonly gloss: string;
  /** ILSVRC2012_IDs. */
  readonly children: readonly number[];
}
export interface Devkit {
  readonly synsets: readonly DevkitSynset[];
  /** The leaves, sorted by synset id: a label is a position here. */
  readonly classes: Synsets;
  /** Label of each validation image, by the number in its name, from 1: `truth[0]` is ILSVRC2012_val_00000001's. */
  readonly truth: readonly number[];
}

export const devkitArchive = 'ILSVRC2012_devkit_t12.tar.gz';
export const devkitFolder = 'ILSVRC2012_devkit_t12';
const metaName = 'data/meta.mat';
const truthName = 'data/ILSVRC2012_validation_ground_truth.txt';
const mostBytes = 2 ** 24;

/** The development kit of a folder, packed or unpacked; undefined if there is none. */
export async function devkitIn(dir: string, names: { folders: readonly string[]; files: readonly string[] }): Promise<Devkit | undefined> {
  if (names.folders.includes(devkitFolder)) {
    const folder = join(dir, devkitFolder);
    const read = (name: string) =>
      readFile(join(folder, name)).catch(error => {
        throw unreadable(join(folder, name), 'a part of the development kit', error);
      });
    return devkitOf(folder, await read(metaName), await read(truthName));
  }
  if (!names.files.includes(devkitArchive)) return undefined;
  const path = join(dir, devkitArchive);
  const parts = new Map<string, Uint8Array>();
  for await (const entry of readTar(path)) {
    const wanted = [metaName, truthName].find(name => entry.name.endsWith(name));
    if (wanted) parts.set(wanted, await entry.read(mostBytes));
    if (parts.size === 2) break;
  }
  for (const name of [metaName, truthName]) {
    if (!parts.has(name)) throw fail('data', path, name, 'an archive without it', 'Fetch the development kit of ILSVRC2012 again.');
  }
  return devkitOf(path, parts.get(metaName)!, parts.get(truthName)!);
}

/**
 * Puts the kit's own numbering aside: ground truth holds ILSVRC2012_IDs, and classes are the leaves sorted by synset id, so
 * that labels are the same as those of image folders.
 */
function devkitOf(where: string, meta: Uint8Array, truth: Uint8Array): Devkit {
  const synsets = synsetsOf(`${where}, ${metaName}`, meta);
  const leaves = synsets.filter(({ children }) => children.length === 0).sort((a, b) => (a.wnid < b.wnid ? -1 : 1));
  const labels = new Map(leaves.map(({ id }, label) => [id, label]));
  const lines = Buffer.from(truth).toString('latin1').trim().split(/\s+/);
  return {
    synsets,
    classes: { ids: leaves.map(({ wnid }) => wnid), names: leaves.map(({ words }) => words) },
    truth: lines.map((line, i) => {
      const label = labels.get(Number(line));
      if (label !== undefined) return label;
      const fix = 'The two files are not of one kit: fetch it again.';
      throw fail('data', `${where}, ${truthName}, line ${i + 1}`, 'the number of a class of meta.mat', JSON.stringify(line), fix);
    }),
  };
}

function synsetsOf(where: string, bytes: Uint8Array): DevkitSynset[] {
  const table = readMat(bytes, where).get('synsets');
  if (table?.kind !== 'structs') {
    throw fail('data', where, 'a struct array "synsets"', table ? `one of ${table.kind}` : 'none', 'Fetch the development kit again.');
  }
  return table.values.map((row, i) => {
    const number = (field: string) => numbers(row[field])[0];
    const text = (field: string) => (row[field]?.kind === 'text' ? row[field].lines[0] : undefined);
    const [id, wnid] = [number('ILSVRC2012_ID'), text('WNID')];
    if (id === undefined || wnid === undefined) {
      const fix = 'Fetch the development kit of ILSVRC2012 again.';
      throw fail('data', `${where}, synset ${i + 1}`, 'ILSVRC2012_ID and WNID', Object.keys(row).join(', ') || 'nothing', fix);
    }
    const children = (number('num_children') ?? 0) > 0 ? numbers(row.children) : [];
    return { id, wnid, words: text('words') ?? wnid, gloss: text('gloss') ?? '', children };
  });
}

const numbers = (value: MatValue | undefined): readonly number[] => (value?.kind === 'numbers' ? value.values : []);
