import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import {
  type DataSet,
  draftSuffix,
  fail,
  MillraceError,
  pictureFile,
  type Sample,
  type ShardSample,
  ShardWriter,
  shardLists,
  unwritable,
  type WrittenShard,
} from '../../../core/index.ts';
import { CountProgress } from '../../terminal/countProgress.ts';
import { bytes as bytesText } from '../../terminal/format.ts';
import type { Output } from '../../terminal/output.ts';
import { onInterrupt } from '../interrupt.ts';
import { openChosen } from '../openTold.ts';
import type { ChosenOptions, DataAction, DataActionContext } from './action.ts';
import { eachSample } from './eachSample.ts';

const splits = ['train', 'test'] as const;
type Split = (typeof splits)[number];
interface ShardOptions extends ChosenOptions {
  readonly shardBytes: number;
  readonly split: Split | 'both';
  readonly shuffle?: boolean;
  readonly seed: number;
  readonly onError: 'throw' | 'skip';
}

export const shard: DataAction = {
  name: 'shard',
  describe: 'writes WebDataset shards with an index into the folder TARGET (--shard-bytes, --split, --shuffle, --seed, --on-error)',
  options: () => [
    new Option('--shard-bytes <N>', 'shard: the most bytes of a shard').default(2 ** 30, '1 GiB').argParser(wholeFrom(1024)),
    new Option('--split <SPLIT>', 'shard: what is written').choices([...splits, 'both']).default('both'),
    new Option('--shuffle', 'shard: in a random order, drawn from --seed'),
    new Option('--seed <N>', 'shard: of the order').default(0).argParser(wholeFrom(0)),
    new Option('--on-error <WAY>', 'shard: what becomes of an image that cannot be read').choices(['throw', 'skip']).default('throw'),
  ],
  run: writeShards,
};

const wholeFrom = (least: number) => (text: string) => {
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
  throw new InvalidArgumentError(`It must be a whole number of ${least} or more.`);
};
const number = (value: number): string => value.toLocaleString('en-US');

/**
 * Everything is written into a folder beside TARGET, under names that nothing takes for shards, and gets its name at the end:
 * whatever happens meanwhile, TARGET is whole or not there.
 */
async function writeShards({ dir, target, options, output }: DataActionContext): Promise<number> {
  const given = options as unknown as ShardOptions;
  if (target === undefined) {
    throw fail('usage', 'data DIR shard', 'a folder to write to', 'none', 'Write: millrace data DIR shard OUT.');
  }
  const out = resolve(target);
  await refuseFilled(out, output);
  const sets = new Map<Split, DataSet>();
  for (const split of given.split === 'both' ? splits : [given.split]) sets.set(split, await openPart(dir, split, given, output));
  for (const each of new Set([...sets.values()].flatMap(({ warnings = [] }) => warnings))) output.warn(`warning: ${each}`);
  const draft = `${out}${draftSuffix}-${process.pid}`;
  const interrupt = onInterrupt(output, 'Stopping; what was written is removed. Ctrl-C again stops at once.');
  try {
    await attempt(out, () => mkdir(draft, { recursive: true }));
    const written = new Map<Split, Written>();
    for (const [split, set] of sets) {
      written.set(split, await writeSplit({ split, set, out, draft, given, output, signal: interrupt.signal }));
      if (interrupt.signal.aborted) break;
    }
    output.clear();
    if (interrupt.signal.aborted) {
      await rm(draft, { recursive: true, force: true });
      output.line('interrupted: nothing is left');
      output.summary({ out, interrupted: true, splits: [] });
      return 130;
    }
    await attempt(out, () => writeLists(draft, [...sets.values()][0], [...written.values()]));
    await publish(draft, out);
    conclude(out, sets, written, output);
    return 0;
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  } finally {
    output.clear();
    interrupt.close();
  }
}

async function refuseFilled(out: string, output: Output): Promise<void> {
  const names = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw unwritable(out, error);
  });
  if (names.length > 0) {
    const got = `${names.length === 1 ? 'one thing' : `${number(names.length)} things`} in it (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''})`;
    throw fail('usage', out, 'a new or empty folder for the shards', got, 'Give another one, or remove what is there.');
  }
  const others = await readdir(dirname(out)).catch(() => []);
  const left = others.filter(name => name.startsWith(`${basename(out)}${draftSuffix}-`));
  if (left.length > 0)
    output.warn(`left by a run that was killed, or is still running: ${left.map(name => join(dirname(out), name)).join(', ')}`);
}

async function openPart(dir: string, split: Split, given: ShardOptions, output: Output): Promise<DataSet> {
  const { shuffle, layout, classes, labelsAt, wordnet } = given;
  const set = await openChosen(resolve(dir), { split, layout, classes, labelsAt, wordnet }, output);
  if (!shuffle || set.indexed) return set;
  const fix = 'Write the shards without it: what comes out has an index, and can be written once more with --shuffle.';
  throw fail(
    'usage',
    '--shuffle',
    'data whose images can be reached in any order',
    `data that is read front to back (${set.description})`,
    fix,
  );
}

interface Written {
  readonly shards: readonly WrittenShard[];
  readonly images: number;
  readonly boxes: number;
  readonly skipped: number;
}
interface Task {
  readonly split: Split;
  readonly set: DataSet;
  readonly out: string;
  readonly draft: string;
  readonly given: ShardOptions;
  readonly output: Output;
  readonly signal: AbortSignal;
}

async function writeSplit({ split, set, out, draft, given, output, signal }: Task): Promise<Written> {
  const writer = new ShardWriter(draft, split, given.shardBytes);
  const progress = new CountProgress(output, split, set.size);
  let [images, boxes, skipped, total] = [0, 0, 0, 0];
  try {
    for await (const sample of eachSample(set.samples({ order: given.shuffle ? 'random' : 'natural', seed: given.seed }))) {
      if (signal.aborted) break;
      const entry = await read(sample, images, given.onError, reason => {
        skipped++;
        output.warn(`left out ${sample.key}: ${reason}`);
      });
      if (entry) {
        await attempt(out, () => writer.add(entry));
        images++;
        boxes += entry.boxes?.length ?? 0;
        total += entry.image.length;
      }
      progress.step(() => bytesText(total));
    }
    if (signal.aborted) await writer.abandon();
    return { shards: await attempt(out, () => writer.finish()), images, boxes, skipped };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function read(
  { key, label, picture, boxes }: Sample,
  place: number,
  onError: 'throw' | 'skip',
  skip: (reason: string) => void,
): Promise<ShardSample | undefined> {
  try {
    const { bytes: image, extension } = await pictureFile(picture, key);
    return { key: keyOf(place, key), extension, image, label, ...(boxes && { boxes }) };
  } catch (error) {
    const reason = (error as Error).message;
    if (onError === 'throw') {
      throw fail(
        'data',
        key,
        'an image that can be read',
        reason,
        'Repair or remove it, or leave such images out with --on-error skip.',
        error,
      );
    }
    skip(reason);
    return undefined;
  }
}

/** `train/cat/a b.1.jpg` as the eighth → `000000007-a_b_1`: unique, sorted as written, and people know it again. */
function keyOf(place: number, key: string): string {
  const stem = basename(key).replace(/\.[^.]*$/, '');
  const known = stem
    .replace(/^\d{9}-/, '')
    .replace(/[^A-Za-z0-9_-]+/g, '_')
    .slice(-60);
  return `${String(place).padStart(9, '0')}-${known}`;
}

async function writeLists(draft: string, set: DataSet, written: readonly Written[]): Promise<void> {
  const lists = shardLists(
    set,
    written.flatMap(({ shards }) => shards),
  );
  for (const [name, text] of lists) await writeFile(join(draft, `${name}${draftSuffix}`), text, { flush: true });
}

async function publish(draft: string, out: string): Promise<void> {
  for (const name of await readdir(draft)) await rename(join(draft, name), join(draft, name.slice(0, -draftSuffix.length)));
  try {
    // an empty folder is replaced at once, one that was filled meanwhile is not
    await rename(draft, out);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EBUSY' && code !== 'EXDEV') return attempt(out, () => Promise.reject(error));
    const fix = 'Give a folder below it.';
    throw fail('data', out, 'a folder that can be put in place at once', 'one where a disk is mounted', fix, error);
  }
}

/** The system's errors in plain words. */
async function attempt<T>(out: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    const plain = unwritable(out, error);
    if (!(plain instanceof MillraceError)) throw plain;
    const { expected, got, fix } = plain.complaint;
    throw fail('data', out, expected, got, fix.replace(' with --out', ''), error);
  }
}

function conclude(out: string, sets: ReadonlyMap<Split, DataSet>, written: ReadonlyMap<Split, Written>, output: Output): void {
  const rows = [...written].map(([split, { shards, images, boxes, skipped }]) => {
    const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
    const many = `${number(shards.length)} shard${shards.length === 1 ? '' : 's'}`;
    const more = `${boxes > 0 ? `, ${number(boxes)} box${boxes === 1 ? '' : 'es'}` : ''}${skipped > 0 ? `, ${number(skipped)} left out` : ''}`;
    output.line(sets.get(split)!.description);
    output.line(`  ${split}: ${number(images)} images in ${many}, ${bytesText(total)}${more}`);
    return { split, images, shards: shards.length, bytes: total, boxes, skipped };
  });
  output.line(`in ${out}`);
  output.summary({ out, interrupted: false, splits: rows });
}
