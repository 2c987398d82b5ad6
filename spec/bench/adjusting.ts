/**
 * What it gains that ops on single pixels run on the device: the data stages' images/s with colorJitter, in the workers and left to the device,
 * beside none; and what the conversion of bytes to floats, and a training step, costs with them. All in turns within one run, on files like
 * ImageNet's. `npx tsx spec/bench/adjusting.ts [--workers 2] [--rounds 3] [--seconds 3] [--batch 16] [--steps 5] [--model resnet18]`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { identity, lastValueFrom, type OperatorFunction, takeWhile, tap } from 'rxjs';
import type { Batch, Sample } from '../../core/data/sample.ts';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { compile, crossEntropy, sgd } from '../../core/index.ts';
import { model as graphOf } from '../../models/index.ts';
import {
  augment,
  batch,
  colorJitter,
  decode,
  epochs,
  horizontalFlip,
  imageFolder,
  normalize,
  randomErasing,
  randomResizedCrop,
  trivialAugmentWide,
} from '../../operators/index.ts';
import { trainStep } from '../core/training/train.ts';
import { makePhotos } from './photos.ts';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3' },
    batch: { type: 'string', default: '16' },
    steps: { type: 'string', default: '5' },
    model: { type: 'string', default: 'resnet18' },
  },
});
const [workers, rounds, seconds, size, steps] = (['workers', 'rounds', 'seconds', 'batch', 'steps'] as const).map(name =>
  Number(values[name]),
);
const lists = {
  plain: [],
  colorJitter: [colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 })],
  'trivialAugmentWide, noise': [trivialAugmentWide(), randomErasing({ probability: 0.25, value: 'random' })],
};
/** Whoever asks first for finished pixels keeps all in the workers. */
const finished = tap<Sample>(sample => sample.job!.ask(() => undefined));
const ways: readonly [keyof typeof lists, where: string, OperatorFunction<Sample, Sample>][] = [
  ['plain', '', identity],
  ['colorJitter', 'in the workers', finished],
  ['colorJitter', 'on the device', identity],
  ['trivialAugmentWide, noise', 'in the workers', finished],
  ['trivialAugmentWide, noise', 'on the device', identity],
];
const folder = await mkdtemp(join(tmpdir(), 'millrace-photos-'));

try {
  await makePhotos(folder);
  const rates = ways.map((): number[] => []);
  const batches = new Map<string, Batch>();
  for (let round = 0; round < rounds!; round++) {
    for (const [i, [list, , then]] of ways.entries()) rates[i]!.push(await rate(list, then));
  }
  for (const [i, [list, where]] of ways.entries()) {
    console.log(
      `${`${list} ${where}`.padEnd(42)} ${median(rates[i]!).toFixed(0).padStart(6)} images/s of the data stages   (${rates[i]!.map(Math.round)})`,
    );
  }
  if (steps! > 0) await stepsWith(batches);

  async function rate(list: keyof typeof lists, then: OperatorFunction<Sample, Sample>): Promise<number> {
    let [images, began] = [0, Number.NaN];
    const from = performance.now();
    await lastValueFrom(
      imageFolder(join(folder, 'train'), { order: 'random' }).pipe(
        epochs(Number.POSITIVE_INFINITY, { seed: 1 }),
        decode({ workers: workers!, channels: 3 }),
        augment([randomResizedCrop(224), horizontalFlip(), ...lists[list], normalize({ mean: [0.5], std: [0.25] })]),
        then,
        batch(size!),
        tap((each: Batch) => {
          // workers start before the clock runs
          if (Number.isNaN(began) || performance.now() - from < 700) began = performance.now();
          else images += each.count;
          if (then !== identity || batches.has(list)) return;
          each.lease.hold();
          batches.set(list, { ...each, cells: each.cells.map(cell => cell.slice()) });
          each.lease.release();
        }),
        takeWhile(() => !(performance.now() - began > 1000 * seconds!)),
      ),
      { defaultValue: undefined },
    );
    return images / ((performance.now() - began) / 1000);
  }
} finally {
  await rm(folder, { recursive: true });
}

/** Milliseconds of a step, and of the launches that turn bytes into floats, on the same batch with and without what is left to the device. */
async function stepsWith(batches: ReadonlyMap<string, Batch>): Promise<void> {
  const device = await openWasm({ threads: availableParallelism() });
  const model = compile(graphOf(values.model, { classes: 10 }), { device, batch: size! });
  const [loss, optimizer] = [crossEntropy(), sgd({ lr: 0.01, momentum: 0.9 })];
  const times = new Map([...batches.keys()].map(list => [list, { step: [] as number[], convert: [] as number[] }]));
  for (let step = 0; step <= steps!; step++) {
    for (const [list, each] of batches) {
      const began = performance.now();
      await trainStep(model, each, loss, optimizer, 0.01);
      const ended = performance.now();
      const { plan } = (await model.stepSegments())[0]!;
      const convert = await plan.compileNode(plan.program.nodes.findIndex(({ primitive }) => primitive.startsWith('toFloat')));
      const fromMs = performance.now();
      for (let i = 0; i < 5; i++) await device.run(convert);
      if (step === 0) continue;
      times.get(list)!.step.push(ended - began);
      times.get(list)!.convert.push((performance.now() - fromMs) / 5);
    }
  }
  for (const [list, { step, convert }] of times) {
    console.log(
      `${list.padEnd(42)} ${median(step).toFixed(1).padStart(8)} ms a step of ${values.model}, ${median(convert).toFixed(2)} ms of it bytes to floats, batch ${size}`,
    );
  }
  await model.destroy();
  await device.destroy();
}

function median(all: readonly number[]): number {
  return [...all].sort((a, b) => a - b)[all.length >> 1]!;
}
