import { dirname } from 'node:path';
import { lastValueFrom, reduce } from 'rxjs';
import type { OpenWatch } from '../core/data/dataLayout.ts';
import { namesOf, synsetMappingIn } from '../core/data/imagenet/synsets.ts';
import { type Layout, partOf, type Split } from '../core/data/layout.ts';
import { faultWarnings, listFolder } from '../core/data/listing.ts';
import type { DataSet } from '../core/data/sample.ts';
import { openShardIndexes, type ShardIndexes } from '../core/data/shardIndex.ts';
import { readClassNames, readShardCounts } from '../core/data/shards.ts';
import { fail } from '../core/errors.ts';
import { indexedShards, joinShards, keyAt } from './indexedShards.ts';
import { webDataset } from './webDataset.ts';

const number = (value: number): string => value.toLocaleString('en-US');

/** WebDataset shards as a data set: by their indexes where each has one, else front to back. */
export async function openShards({ dir, parts }: Layout & { kind: 'shards' }, split: Split, watch: OpenWatch = {}): Promise<DataSet> {
  const shards = shardsOf(dir, parts[split], split);
  const beside = dirname(shards[0]);
  const counts = (await readShardCounts(dir)) ?? (await readShardCounts(beside));
  const named = (await readClassNames(dir)) ?? (await readClassNames(beside));
  const indexed = await openShardIndexes(shards, watch);
  const classes = named ?? numbered(await largestLabel(dir, parts.train, watch, split === 'train' ? indexed : undefined), dir);
  const size = indexed ? sampleCount(indexed) : sizeOf(shards, counts);
  const many = `${shards.length} shard${shards.length === 1 ? '' : 's'}`;
  const images = size === undefined ? '' : `, ${number(size)} images`;
  const counted = indexed ? 'counted in the index' : 'counted by reading all training labels; a classes.txt would spare that';
  const description = `WebDataset, ${split} split: ${many}${images}, ${classes.length} classes (${named ? 'from classes.txt' : counted})`;
  const mapping = await synsetMappingIn(beside, (await listFolder(beside)).files);
  const about = { classes, ...(mapping && { names: namesOf(classes, mapping) }), size };
  if (!indexed) {
    return { ...about, description, samples: options => webDataset(shards, { ...options, classes: classes.length, counts }) };
  }
  checkCounts(shards, indexed, counts);
  const all = joinShards(shards, indexed.indexes, classes.length);
  const perClass: number[] = classes.map(() => 0);
  for (const label of all.labels) if (label >= 0) perClass[label]++;
  return {
    ...about,
    warnings: faultWarnings(place => keyAt(all, place), all.faults),
    description: `${description}${anew(indexed.madeAnew)}`,
    counts: perClass,
    indexed: true,
    samples: options => indexedShards(all, options),
  };
}

function anew(count: number): string {
  if (count === 0) return '';
  return `, ${count === 1 ? 'one index' : `${count} indexes`} of another version of the shard made anew`;
}

function shardsOf(dir: string, part: readonly string[] | undefined, split: Split): readonly string[] {
  return partOf(part, dir, split, name => `${name}/*.tar[.gz] or ${name}-*.tar[.gz]`);
}

const sampleCount = ({ indexes }: ShardIndexes): number => indexes.reduce((sum, { labels }) => sum + labels.length, 0);

function sizeOf(shards: readonly string[], counts: ReadonlyMap<string, number> | undefined): number | undefined {
  const sizes = shards.map(shard => counts?.get(shard));
  return sizes.every(count => count !== undefined) ? sizes.reduce((sum, count) => sum + count, 0) : undefined;
}

/** A shard that was cut off between two samples is whole by itself. */
function checkCounts(shards: readonly string[], { indexes }: ShardIndexes, counts: ReadonlyMap<string, number> | undefined): void {
  for (const [i, shard] of shards.entries()) {
    const expected = counts?.get(shard);
    const found = indexes[i].labels.length;
    if (expected === undefined || expected === found) continue;
    const fix = 'The shard was cut off between two samples, or index.json is of another version: fetch or make both again.';
    throw fail('data', shard, `${expected} samples, as index.json says`, String(found), fix);
  }
}

/** Of the training part, by its indexes or by reading it. */
async function largestLabel(
  dir: string,
  part: readonly string[] | undefined,
  watch: OpenWatch,
  opened: ShardIndexes | undefined,
): Promise<number> {
  const shards = shardsOf(dir, part, 'train');
  const indexed = opened ?? (await openShardIndexes(shards, watch));
  if (indexed) return indexed.indexes.reduce((max, { labels }) => labels.reduce((a, b) => Math.max(a, b), max), 0);
  return lastValueFrom(webDataset(shards).pipe(reduce((max, { label, fault }) => (fault === undefined ? Math.max(max, label) : max), 0)));
}

/** "0" to `largest`; errors where that is a single class, or so many that a label must be wrong. */
export function numbered(largest: number, where: string): string[] {
  if (largest === 0) {
    throw fail(
      'data',
      where,
      'labels of at least two classes',
      'only 0',
      'A classifier needs two classes: check the labels, or name the classes in classes.txt.',
    );
  }
  if (largest >= 1_000_000) {
    throw fail('data', where, 'labels below 1,000,000', String(largest), 'Number the classes from 0 without gaps.');
  }
  return Array.from({ length: largest + 1 }, (_, label) => String(label));
}
