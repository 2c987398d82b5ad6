/**
 * Training on real files beside its two halves alone, in turns in one run: the data stages without a model, and steps without data.
 * The budget: at most 3 % slower than the slower of the two.
 *
 *   npx tsx spec/bench/training.ts [MODEL] [SIZE] [BATCH] [STEPS] [ROUNDS]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, type Observable, take, tap } from 'rxjs';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { type Batch, compile, crossEntropy, sgd, WorkerPool } from '../../core/index.ts';
import { model as build } from '../../models/index.ts';
import {
  augment,
  backward,
  batch,
  decode,
  epochs,
  forward,
  horizontalFlip,
  normalize,
  openDataSet,
  optimize,
  prefetch,
  randomResizedCrop,
} from '../../operators/index.ts';
import { makePhotos } from './photos.ts';

const [name = 'resnet18', size = '224', count = '8', steps = '12', rounds = '3'] = process.argv.slice(2);
const [images, length] = [Number(count), Number(steps)];
const folder = await mkdtemp(join(tmpdir(), 'millrace-training-'));
await makePhotos(folder);
const data = await openDataSet(folder, { split: 'train' });
const device = await openWasm({ threads: 2 });
const model = compile(build(name, { size: Number(size), classes: data.classes.length }), { device, batch: images });
const pool = new WorkerPool({ workers: 1 });
const loss = crossEntropy();
const optimizer = sgd({ lr: 1e-4, momentum: 0.9 });

const batches = (): Observable<Batch> =>
  data
    .samples({ order: 'random', boxes: false })
    .pipe(
      epochs(Number.POSITIVE_INFINITY, { seed: 1 }),
      decode({ pool }),
      augment([randomResizedCrop(Number(size)), horizontalFlip(), normalize({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] })]),
      batch(images, { dropLast: true }),
      prefetch(2),
    );

/** Images a second from the second value on. */
async function rateOf(values: Observable<unknown>, many: number): Promise<number> {
  let [began, ended, seen] = [0, 0, 0];
  const note = () => {
    ended = performance.now();
    if (seen++ === 1) began = ended;
  };
  await lastValueFrom(values.pipe(tap(note), take(many + 2)));
  return (images * many * 1000) / (ended - began);
}

async function compute(): Promise<number> {
  let began = 0;
  for (let step = 0; step < length + 2; step++) {
    if (step === 2) began = performance.now();
    await model.forward('train');
    await model.loss(loss, 'train');
    await model.backward();
    await model.readLoss();
    await model.update(optimizer, 1e-4);
  }
  return (images * length * 1000) / (performance.now() - began);
}

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1];
const all: { data: number; compute: number; both: number }[] = [];
try {
  for (let round = 0; round < Number(rounds); round++) {
    all.push({
      data: await rateOf(batches(), 60),
      compute: await compute(),
      both: await rateOf(batches().pipe(forward(model), backward(loss), optimize(optimizer)), length),
    });
  }
  const list = (key: 'data' | 'compute' | 'both') => all.map(each => each[key].toFixed(1)).join(', ');
  // of each round, since its parts saw the same machine
  const share = median(all.map(each => each.both / Math.min(each.data, each.compute)));
  console.log(
    `${name} at ${size}, batch ${count}: data alone ${list('data')}; steps alone ${list('compute')}; both ${list('both')} images/s`,
  );
  console.log(`training is ${((1 - share) * 100).toFixed(1)} % slower than the slower of its halves (median of ${rounds})`);
} finally {
  await pool.close();
  await model.destroy();
  await device.destroy();
  await rm(folder, { recursive: true });
}
