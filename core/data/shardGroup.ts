import { fail, type MillraceError } from '../errors.ts';

/** The files of one sample in a shard: neighbours of the same path up to the first dot of the file name. */
export interface ShardGroup {
  readonly shard: string;
  readonly key: string;
  readonly extensions: string[];
}

/** The extension of boxes; see `parseBoxes`. */
export const boxesExtension = 'boxes.json';

/** A longer picture, label or list of boxes is taken for a mistake rather than into memory. */
export const mostBytes = { image: 2 ** 28, label: 64, boxes: 2 ** 20 } as const;

/** The path up to the first dot of the file name, and the rest in lower case; undefined for dot files and names without one. */
export function splitName(path: string): { key: string; extension: string } | undefined {
  const file = path.lastIndexOf('/') + 1;
  const dot = path.indexOf('.', file);
  if (dot <= file) return undefined;
  return { key: path.slice(0, dot).replace(/^\.\//, ''), extension: path.slice(dot + 1).toLowerCase() };
}

export const missingLabel = (group: ShardGroup) => missing(group, 'a label (.cls)');
export const missingImage = (group: ShardGroup) => missing(group, 'an image (.png, .jpg or another that sharp reads)');

function missing({ shard, key, extensions }: ShardGroup, what: string): MillraceError {
  const got = `only ${extensions.map(extension => `.${extension}`).join(', ')}`;
  const fix = 'Put the files of one sample next to each other, with the same name up to the first dot.';
  return fail('data', `${shard}, sample ${JSON.stringify(key)}`, what, got, fix);
}

/** Its last file is. */
export function oversized({ shard, key, extensions }: ShardGroup, bytes: number, most: number): MillraceError {
  const where = `${shard}, sample ${JSON.stringify(key)}`;
  return fail(
    'data',
    where,
    `at most ${most} bytes of .${extensions.at(-1)}`,
    `${bytes} bytes`,
    'Make the shard again without the oversized file.',
  );
}

export function twice({ shard, key, extensions }: ShardGroup, what: 'label' | 'image'): MillraceError {
  const got = `two (${extensions.map(extension => `.${extension}`).join(', ')})`;
  return fail('data', `${shard}, sample ${JSON.stringify(key)}`, `one ${what}`, got, 'Give every sample a name of its own.');
}
