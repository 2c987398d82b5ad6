import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { concat, take, throwError } from 'rxjs';
import { type Checkpoint, fail, graph, graphToJson, readCheckpoint } from '../../core/index.ts';
import { runPipeline } from '../../pipelines/run/runPipeline.ts';
import recipe from '../../pipelines/train.ts';
import { metricsOf, millrace, small, temporaryFolder, toyData } from './toy.ts';

describe('millrace train', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  let runs = 0;
  const out = () => join(folder.path, `run-${++runs}`);
  const losses = (run: string) => metricsOf(run).flatMap(line => (line.event === 'step' ? [line.loss] : []));

  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'));
  });
  after(() => folder.remove());

  it('should learn, tell it as JSON, and leave a run folder @smoke', async () => {
    const run = out();
    const { status, events, summary, stderr } = await millrace('train', '--data', data, ...small, '--out', run, '--json');
    assert.equal(status, 0, stderr);
    assert.deepEqual([...new Set(events.map(({ event }) => event))], ['start', 'step', 'epoch', 'stages', 'verdict', 'summary']);
    const fields = 'device model epochs steps images images_per_s loss top1 top5 seconds skipped'.split(' ');
    for (const field of fields) assert.ok(field in summary, field);
    assert.deepEqual([summary.epochs, summary.steps, summary.images, summary.skipped, summary.model], [2, 20, 160, 0, 'tiny']);
    assert.equal(summary.top1, 1);
    assert.deepEqual((await readdir(run)).sort(), [
      'checkpoint.safetensors',
      'config.json',
      'metrics.jsonl',
      'model.json',
      'optimizer.safetensors',
    ]);
    assert.equal(losses(run).length, 20);
    const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'));
    assert.equal(config.options.momentum, 0.9);
    assert.equal(config.images.channels, 1);
    assert.match(config.device.description, /^wasm, 1 thread/);
  });

  it('should tell people the same in words', async () => {
    const { status, stdout } = await millrace('train', '--data', data, ...small, '--out', out());
    assert.equal(status, 0);
    assert.match(stdout, /^device +wasm, 1 thread/m);
    assert.match(stdout, /^data +image folder .*80 images, 2 classes/m);
    assert.match(stdout, /held-out top-1 100\.0 %/);
    assert.match(stdout, /^[A-Z][a-z]+ limits: [\d.,]+ images\/s/m);
    assert.equal(stripVTControlCharacters(stdout), stdout);
  });

  it('should write a checkpoint that evaluate reads back to the same accuracy and loss', async () => {
    const run = out();
    const { summary } = await millrace('train', '--data', data, ...small, '--out', run, '--steps', '3', '--json');
    const again = await millrace('evaluate', run, '--device', 'wasm', '--threads', '1', '--json');
    assert.equal(again.status, 0, again.stderr);
    assert.deepEqual([again.summary.top1, again.summary.top5, again.summary.images], [summary.top1, summary.top5, 20]);
    assert.equal(again.summary.loss, summary.held_out_loss);
    const file = await millrace('evaluate', join(run, 'checkpoint.safetensors'), '--data', data, '--device', 'cpu', '--json');
    assert.ok(Math.abs(file.summary.loss - summary.held_out_loss) < 1e-5);
  });

  it('should give the same losses for the same seed with 1 or 2 workers, and others for another seed', async () => {
    const [first, second, third] = [out(), out(), out()];
    await millrace('train', '--data', data, ...small, '--out', first);
    await millrace('train', '--data', data, ...small, '--workers', '2', '--out', second);
    await millrace('train', '--data', data, ...small, '--seed', '2', '--out', third);
    assert.deepEqual(losses(second), losses(first));
    assert.notDeepEqual(losses(third), losses(first));
  });

  const stopAt = async (step: number, given: Record<string, unknown>) => {
    const stop = new AbortController();
    let steps = 0;
    const nothing = () => undefined;
    const listener = {
      introduce: nothing,
      begin: nothing,
      evaluating: nothing,
      evaluation: nothing,
      bad: nothing,
      step() {
        if (++steps === step) stop.abort();
      },
    };
    return runPipeline({ pipeline: recipe, given, signal: stop.signal, listener });
  };
  const options = { model: 'tiny', device: 'wasm', threads: 1, workers: 1, batch: 8, epochs: 2 };

  for (const [step, where] of [
    [4, 'in the middle of an epoch'],
    [10, 'at the end of an epoch'],
    [20, 'at the end of the run'],
  ] as const) {
    it(`should arrive at the same weights when stopped ${where} and resumed`, async () => {
      const [whole, parts] = [out(), out()];
      await stopAt(Number.POSITIVE_INFINITY, { ...options, data, out: whole });
      const stopped = await stopAt(step, { ...options, data, out: parts });
      assert.ok(stopped.interrupted);
      assert.ok(stopped.steps >= step && stopped.steps <= step + 1);
      const { status, stderr } = await millrace('train', '--resume', parts);
      assert.equal(status, 0, stderr);
      for (const file of ['checkpoint.safetensors', 'optimizer.safetensors']) {
        assert.ok(readFileSync(join(whole, file)).equals(readFileSync(join(parts, file))), file);
      }
      assert.deepEqual(losses(parts), losses(whole));
      const told = metricsOf(parts).filter(({ event }) => event === 'epoch');
      assert.deepEqual(
        told.map(({ epoch, loss }) => [epoch, loss]),
        metricsOf(whole)
          .filter(({ event }) => event === 'epoch')
          .map(({ epoch, loss }) => [epoch, loss]),
      );
    });
  }

  it('should train any model with nothing changed but the option @smoke', async () => {
    const own = join(folder.path, 'mine.json');
    const g = graph('mine', [8, 8, 1]);
    await writeFile(
      own,
      graphToJson(
        g.output(
          g.linear('fc', g.flatten('flatten', g.relu('relu', g.conv2d('conv', g.input, { filters: 4, kernel: 3 }))), { features: 2 }),
        ),
      ),
    );
    for (const model of [['resnet20'], [own]]) {
      const { status, summary, stderr } = await millrace(
        'train',
        '--data',
        data,
        ...small,
        '--model',
        ...model,
        '--steps',
        '2',
        '--out',
        out(),
        '--json',
      );
      assert.equal(status, 0, stderr);
      assert.deepEqual([summary.steps, summary.images], [2, 16]);
      assert.equal(summary.model, model[0] === own ? 'mine' : 'resnet20');
    }
  });

  it('should train alexnet at 64 pixels', async () => {
    const run = out();
    const { status, summary, stderr } = await millrace(
      'train',
      '--data',
      data,
      ...small,
      '--model',
      'alexnet',
      '--size',
      '64',
      '--batch',
      '2',
      '--steps',
      '1',
      '--lr',
      '0.001',
      '--out',
      run,
      '--json',
    );
    assert.equal(status, 0, stderr);
    assert.equal(summary.steps, 1);
    const { graph: written }: Checkpoint = await readCheckpoint(join(run, 'checkpoint.safetensors'));
    assert.deepEqual(written.input, [64, 64, 1]);
  }).timeout(60_000);

  it('should run a pipeline of the user with its own options', async () => {
    const file = join(folder.path, 'own.ts');
    const index = (name: string) => JSON.stringify(new URL(`../../${name}/index.ts`, import.meta.url).href);
    await writeFile(
      file,
      `import { adam, crossEntropy } from ${index('core')};
       import { augment, backward, batch, decode, epochs, forward, normalize, optimize } from ${index('operators')};
       import { definePipeline, fitTo } from ${index('pipelines')};
       export default definePipeline({
         name: 'own',
         describe: 'Adam.',
         build: ({ data, model, images, options, decoding }) =>
           data.train.samples({ order: 'random' }).pipe(
             epochs(options.epochs, { seed: options.seed }), decode(decoding), augment([...fitTo(images), normalize(images.normalization)]),
             batch(options.batch, { dropLast: true }), forward(model), backward(crossEntropy()), optimize(adam({ lr: options.lr })),
           ),
       });`,
    );
    const { status, summary, stderr } = await millrace('train', file, '--data', data, ...small, '--lr', '0.01', '--out', out(), '--json');
    assert.equal(status, 0, stderr);
    assert.deepEqual([summary.steps, summary.top1], [20, null]);
  });

  it('should start from given weights', async () => {
    const [first, second] = [out(), out()];
    // without smoothing, a trained model's loss is next to nothing
    const plain = [...small, '--label-smoothing', '0'];
    await millrace('train', '--data', data, ...plain, '--out', first);
    const { status } = await millrace(
      'train',
      '--data',
      data,
      ...plain,
      '--weights',
      join(first, 'checkpoint.safetensors'),
      '--steps',
      '1',
      '--lr',
      '1e-9',
      '--out',
      second,
    );
    assert.equal(status, 0);
    const before = losses(first).at(-1) as number;
    assert.ok((losses(second)[0] as number) < 0.1, `trained weights, not new ones (${before})`);
  });

  it('should keep the last good checkpoint when the loss is not finite', async () => {
    const run = out();
    const { status, stderr } = await millrace('train', '--data', data, ...small, '--lr', '1e30', '--out', run);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^millrace: step \d+: expected a finite loss, got (NaN|Infinity); it began .*The last good checkpoint is that of step 0, in /,
    );
    const { tensors } = await readCheckpoint(join(run, 'checkpoint.safetensors'));
    for (const [name, { data: values }] of tensors) assert.ok(values.every(Number.isFinite), name);
  });

  const failAt = (step: number, error: Error, out: string) => {
    const failing: typeof recipe = {
      ...recipe,
      build: context =>
        concat(
          recipe.build(context).pipe(take(step)),
          throwError(() => error),
        ),
    };
    const nothing = () => undefined;
    const listener = { introduce: nothing, begin: nothing, step: nothing, evaluating: nothing, evaluation: nothing, bad: nothing };
    const given = { ...options, data, out, checkpointEvery: 3 };
    return runPipeline({ pipeline: failing, given, signal: new AbortController().signal, listener });
  };

  it('should name the last checkpoint when the device is gone with the weights', async () => {
    const run = out();
    const gone = fail('device', 'webgpu', 'a device that stays', 'it was lost', 'Start again from the last checkpoint.');
    await assert.rejects(failAt(5, gone, run), error => {
      assert.equal(
        String(error),
        `MillraceError: webgpu: expected a device that stays, got it was lost. Start again from the last checkpoint. The last good checkpoint is that of step 3, in ${run}.`,
      );
      return true;
    });
    assert.equal((await readCheckpoint(join(run, 'checkpoint.safetensors'))).step, 3);
  });

  it('should keep the weights when the run fails for a reason outside the device', async () => {
    const run = out();
    await assert.rejects(failAt(5, new Error('a reason of its own'), run), /a reason of its own/);
    const { step } = await readCheckpoint(join(run, 'checkpoint.safetensors'));
    assert.equal(step, 5);
    const { status, stderr } = await millrace('train', '--resume', run);
    assert.equal(status, 0, stderr);
  });

  it('should write checkpoints within an epoch', async () => {
    const run = out();
    await millrace('train', '--data', data, ...small, '--checkpoint-every', '3', '--lr', '1e30', '--out', run);
    assert.ok(existsSync(join(run, 'checkpoint.safetensors')));
    const good = out();
    await millrace('train', '--data', data, ...small, '--checkpoint-every', '3', '--steps', '7', '--out', good);
    const { step, epoch, consumed } = await readCheckpoint(join(good, 'checkpoint.safetensors'));
    assert.deepEqual({ step, epoch, consumed }, { step: 7, epoch: 0, consumed: 56 });
  });
});
