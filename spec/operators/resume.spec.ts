import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { concat, filter, lastValueFrom, map, merge, type Observable, take, toArray } from 'rxjs';
import sharp from 'sharp';
import { Demand } from '../../core/data/demand.ts';
import type { PipelineState } from '../../core/data/pipelineState.ts';
import type { Bad, Batch, DataSet, Sample, SourceOptions } from '../../core/data/sample.ts';
import { indexOf, indexShard, saveShardIndex } from '../../core/data/shardIndex.ts';
import { SlotPool } from '../../core/data/slots.ts';
import type { TaskPool } from '../../core/pool/taskPool.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import { hash } from '../../core/random.ts';
import {
  augment,
  batch,
  decode,
  epochs,
  horizontalFlip,
  idx,
  imageFolder,
  openDataSet,
  pixels,
  prefetch,
  randomCrop,
  shuffle,
  webDataset,
} from '../../operators/index.ts';
import { idxOf, tarOf, until, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';

/** What a pipeline is built of; drawn at random, the same for the same number. */
interface Plan {
  readonly source: (options: SourceOptions) => Observable<Sample>;
  readonly seed: number;
  readonly buffer: number | undefined;
  readonly onError: 'skip' | 'replace';
  readonly size: number;
  readonly dropLast: boolean;
  readonly filtered: boolean;
}
const count = 47;

describe('going on from a state', function () {
  this.timeout(60_000);
  const dir = useTemporaryFolder();
  let pool: TaskPool;
  before(() => {
    pool = new WorkerPool({ workers: 3 });
  });
  after(() => pool.close());

  /** The same samples in every layout, a fifth of them bad where the layout allows. */
  async function sources(): Promise<Record<string, (options: SourceOptions) => Observable<Sample>>> {
    const images = await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        if (hash(3, i) % 5 === 0) return Buffer.from(`no picture ${i}`);
        const raw = Buffer.from(Array.from({ length: 144 }, (_, j) => hash(i, j) % 256));
        return sharp(raw, { raw: { width: 12, height: 12, channels: 1 } })
          .png()
          .toBuffer();
      }),
    );
    const name = (i: number) => String(i).padStart(3, '0');
    await writeFiles(dir.path('folder'), Object.fromEntries(images.map((bytes, i) => [`${'abc'[i % 3]}/${name(i)}.png`, bytes])));
    const shards: string[] = [];
    const counts = new Map<string, number>();
    for (const [s, [from, to]] of [
      [0, 13],
      [13, 30],
      [30, 47],
    ].entries()) {
      const entries = images
        .slice(from, to)
        .flatMap((bytes, i) => [[`${name(from + i)}.png`, bytes] as const, [`${name(from + i)}.cls`, `${(from + i) % 3}`] as const]);
      const tar = await tarOf(entries);
      const path = dir.path(`train-${s}.tar${s === 1 ? '.gz' : ''}`);
      await writeFile(path, s === 1 ? gzipSync(tar) : tar);
      shards.push(path);
      counts.set(path, to - from);
      const own = dir.path('indexed', `train-${s}.tar`);
      await writeFiles(dir.path('indexed'), { [`train-${s}.tar`]: tar });
      await saveShardIndex(await indexShard(own), indexOf(own), tar.length);
    }
    const indexed = await openDataSet(dir.path('indexed'), { split: 'train' });
    assert.ok(indexed.indexed);
    const pixelsOf = Array.from({ length: count * 144 }, (_, j) => hash(7, j) % 256);
    await writeFile(dir.path('images'), idxOf([count, 12, 12], pixelsOf));
    await writeFile(dir.path('images.gz'), gzipSync(idxOf([count, 12, 12], pixelsOf)));
    await writeFile(
      dir.path('labels'),
      idxOf(
        [count],
        Array.from({ length: count }, (_, i) => i % 3),
      ),
    );
    return {
      'a folder in random order': options => imageFolder(dir.path('folder'), { ...options, order: 'random' }),
      'a folder': options => imageFolder(dir.path('folder'), options),
      'shards with an index': options => webDataset(shards, { ...options, counts }),
      shards: options => webDataset(shards, options),
      'indexed shards in random order': options => indexed.samples({ ...options, order: 'random' }),
      idx: options => idx(dir.path('images'), { ...options, labels: dir.path('labels') }),
      'packed idx': options => idx(dir.path('images.gz'), { ...options, labels: dir.path('labels') }),
    };
  }
  const plans = async (): Promise<[string, Plan][]> =>
    Object.entries(await sources()).flatMap(([name, source], s) =>
      Array.from(Array(3).keys(), (n): [string, Plan] => {
        const draw = (what: number, below: number) => hash(11, s, n, what) % below;
        const plan: Plan = {
          source,
          seed: draw(0, 1000),
          buffer: n === 0 ? undefined : 1 + draw(1, n === 1 ? 60 : 12),
          onError: draw(2, 2) === 0 ? 'skip' : 'replace',
          size: 1 + draw(3, 7),
          dropLast: draw(4, 2) === 0,
          filtered: draw(5, 2) === 0,
        };
        const { source: _source, ...told } = plan;
        return [`${name} ${JSON.stringify(told)}`, plan];
      }),
    );

  const decoded = ({ source, seed, buffer, onError, filtered }: Plan, from: PipelineState | undefined, bad: Bad[] = []) => {
    const [first, total] = [from?.epoch ?? 0, 3];
    let samples = source({}).pipe(
      filter(({ index }) => !filtered || index % 4 !== 1),
      epochs(total - first, { seed, from: from ?? 0 }),
    );
    if (buffer !== undefined) samples = samples.pipe(shuffle({ buffer }));
    return samples.pipe(
      decode({ pool, channels: 1, onError, bad: each => bad.push(each) }),
      augment([randomCrop(10, { padding: 2 }), horizontalFlip()]),
    );
  };
  const printOf = (cells: readonly Uint8Array[]) => {
    const sum = createHash('sha256');
    for (const cell of cells) sum.update(cell);
    return sum.digest('hex').slice(0, 16);
  };
  const batches = (plan: Plan, from?: PipelineState, bad?: Bad[]) =>
    lastValueFrom(
      decoded(plan, from, bad).pipe(
        batch(plan.size, { dropLast: plan.dropLast }),
        prefetch(2),
        map(({ cells, keys, labels, epoch, index, state, first }: Batch) => ({
          print: printOf(cells),
          keys,
          labels: [...labels],
          epoch,
          index,
          state,
          first,
        })),
        toArray(),
      ),
      { defaultValue: [] },
    );

  it('should give the rest of the epoch and those after it, behind any batch, from any source', async () => {
    for (const [told, plan] of await plans()) {
      const bad: Bad[] = [];
      const whole = await batches(plan, undefined, bad);
      assert.ok(whole.length > 10, told);
      for (let k = 0; k < whole.length; k += 1 + (hash(5, k, plan.seed) % 9)) {
        const state = JSON.parse(JSON.stringify(whole[k].state));
        assert.ok(JSON.stringify(state).length < 160, 'a few numbers');
        assert.deepEqual(await batches(plan, state), whole.slice(k + 1), `${told} behind batch ${k}`);
      }
    }
  });

  it('should give the rest behind any single sample', async () => {
    for (const [told, plan] of await plans()) {
      const single = async (from?: PipelineState) =>
        lastValueFrom(
          decoded(plan, from).pipe(
            pixels(),
            map(({ key, epoch, state, pixels: { data } }) => ({ key, epoch, state, print: printOf([data]) })),
            toArray(),
          ),
          { defaultValue: [] },
        );
      const whole = await single();
      for (let k = hash(plan.seed) % 12; k < whole.length; k += 1 + (hash(9, k, plan.seed) % 25)) {
        assert.deepEqual(await single(whole[k].state), whole.slice(k + 1), `${told} behind sample ${k}`);
      }
    }
  });

  it('should not depend on the number of workers, and leave nothing inside', async () => {
    const [, plan] = (await plans())[1];
    const whole = await batches(plan);
    for (const workers of [1, 4]) {
      const own = new WorkerPool({ workers });
      const [demand, slots] = [new Demand(), new SlotPool()];
      const rest = await lastValueFrom(
        plan.source({ ...whole[3].state, from: whole[3].state, demand }).pipe(
          filter(({ index }) => !plan.filtered || index % 4 !== 1),
          plan.buffer === undefined ? map(each => each) : shuffle({ buffer: plan.buffer }),
          decode({ pool: own, slots, channels: 1, onError: plan.onError, bad: () => undefined }),
          augment([randomCrop(10, { padding: 2 }), horizontalFlip()]),
          batch(plan.size, { dropLast: plan.dropLast }),
          map(({ cells }) => printOf(cells)),
          toArray(),
        ),
      );
      const first = whole.filter(({ epoch }) => epoch === 0).slice(4);
      assert.deepEqual(
        rest,
        first.map(({ print }) => print),
      );
      await until(() => demand.inside === 0 && slots.inUse === 0);
      await own.close();
    }
  });

  it('should jump: nothing of a folder is visited that had come out @smoke', async () => {
    const source = (await sources())['a folder in random order'];
    const demand = new Demand();
    const state: PipelineState = { seed: 4, epoch: 0, position: 40 };
    await lastValueFrom(source({ from: state, demand }).pipe(toArray()));
    assert.equal(demand.meters.stage('source').itemsOut, count - 41);
  });

  it('should take a data set under openDataSet and one below other classes the same way', async () => {
    await sources();
    const set: DataSet = await openDataSet(dir.path('folder'), { split: 'train' });
    const keys = async (options: SourceOptions) =>
      (await lastValueFrom(set.samples({ order: 'random', seed: 2, epoch: 5, ...options }).pipe(toArray()))).map(({ key }) => key);
    const whole = await keys({});
    const rest = await keys({ from: { seed: 2, epoch: 5, position: 9 } });
    assert.deepEqual(rest, whole.slice(10));
    assert.deepEqual(await keys({ from: { seed: 2, epoch: 4, position: 9 } }), whole, 'a later epoch is whole');
  });

  it('should refuse states of another seed, a later epoch or another buffer', async () => {
    const source = (await sources())['a folder'];
    const fails = (samples: Observable<unknown>, message: RegExp) => assert.rejects(lastValueFrom(samples), { message });
    await fails(
      source({ seed: 1, from: { seed: 2, epoch: 0, position: 3 } }),
      /^from: expected a state of seed 1, as the pipeline has, got one of seed 2\./,
    );
    await fails(
      source({ epoch: 1, from: { seed: 0, epoch: 2, position: 3 } }),
      /^from: expected a state of epoch 1 or before, got one of epoch 2\./,
    );
    const natural = await lastValueFrom(source({}).pipe(take(5)));
    await fails(
      source({ order: 'random', from: natural }),
      /^from: expected a state of the order 'random', in which the source is read, got one of 'natural'\. Ask the source for order: 'natural'/,
    );
    await fails(source({ from: await lastValueFrom(source({ order: 'random' }).pipe(take(5))) }), /got one of 'random'/);
    const from = { seed: 0, epoch: 0, position: 3, buffer: 8 };
    await fails(
      source({ from }).pipe(shuffle({ buffer: 9 })),
      /^shuffle: expected a state of a buffer of 9, to go on from, got one of a buffer of 8\./,
    );
    await fails(source({ from }).pipe(epochs(2)), /^from: expected it to be given to epochs, got a source below epochs with it\./);
    const inside = { seed: 0, epoch: 0, position: 3 };
    const one = /^epochs: expected one of Millrace's sources, to go on inside an epoch, got sources /;
    await fails(merge(source({}), source({})).pipe(epochs(2, { from: inside })), one);
    await fails(concat(source({}), source({})).pipe(epochs(2, { from: inside })), one);
    const begin = concat(source({}), source({})).pipe(epochs(2, { from: { ...inside, position: -1 } }), toArray());
    assert.equal((await lastValueFrom(begin)).length, 4 * count);
    for (const [name, each] of Object.entries(await sources())) {
      const far = each({ from: { seed: 0, epoch: 0, position: 99 } });
      await fails(
        far,
        /expected at least the 100 samples that the state is behind, got 47\. Go on with the data that the state was taken with\.$/,
      );
      assert.deepEqual(await lastValueFrom(each({ from: { seed: 0, epoch: 0, position: 46 } }).pipe(toArray())), [], name);
    }
    assert.throws(() => epochs(2, { seed: 5, from }), /^MillraceError: from: expected a state of seed 5/);
  });
});
