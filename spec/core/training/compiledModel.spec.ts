import assert from 'node:assert/strict';
import { shownPixels } from '../../../core/data/pixelEdit.ts';
import type { Batch } from '../../../core/data/sample.ts';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { graph } from '../../../core/graph/builder.ts';
import { crossEntropy } from '../../../core/losses/index.ts';
import { adam, sgd } from '../../../core/optimizers/index.ts';
import { editsLength } from '../../../core/program/edits.ts';
import { type CompiledModel, type CompileOptions, compile } from '../../../core/training/compiledModel.ts';
import type { TensorData } from '../../../core/training/torchLayout.ts';
import { tiny } from '../../../models/tiny.ts';
import { fakeBatch, tensorBytes } from '../../trainingFixtures.ts';
import { randomPixelEdits } from '../ops/adjustments.ts';
import { losses, trainStep } from './train.ts';

const batch = fakeBatch();
const loss = crossEntropy();
const momentum = () => sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-4 });
const plain = (state: Map<string, TensorData>) => Object.fromEntries([...state].map(([name, { data }]) => [name, [...data]]));

describe('compile', () => {
  let wasm: Device;
  before(async () => {
    wasm = await openWasm({ threads: 2 });
  });
  after(() => wasm.destroy());

  /** A model on the shared device that is gone at the end, and with it all of its memory. */
  async function withModel<T>(options: Partial<CompileOptions>, use: (model: CompiledModel) => Promise<T>): Promise<T> {
    const { device = wasm } = options;
    const before = tensorBytes(device);
    const model = compile(tiny(), { device, batch: 8, seed: 1, ...options });
    try {
      return await use(model);
    } finally {
      await model.destroy();
      assert.equal(tensorBytes(device), before);
    }
  }

  it('should overfit one batch on wasm @smoke', async () => {
    const values = await withModel({}, model => losses(model, batch, 60, loss, momentum(), 0.05));
    assert.ok(values[0]! > 1 && values.at(-1)! < 0.1, `from ${values[0]} to ${values.at(-1)}`);
  });

  it('should overfit one batch on cpu, with the losses of wasm', async () => {
    const cpu = await openCpu();
    const small = fakeBatch({ count: 4 });
    const onCpu = await withModel({ device: cpu, batch: 4 }, model => losses(model, small, 40, loss, momentum(), 0.05));
    const onWasm = await withModel({ batch: 4 }, model => losses(model, small, 40, loss, momentum(), 0.05));
    assert.ok(onCpu[0]! > 1 && onCpu.at(-1)! < 0.1, `from ${onCpu[0]} to ${onCpu.at(-1)}`);
    for (let step = 0; step < 10; step++) assert.ok(Math.abs(onCpu[step]! - onWasm[step]!) < 1e-3, `step ${step}`);
    assert.equal(cpu.allocatedBytes, 0);
    await cpu.destroy();
  });

  it('should give the same losses bit for bit with one seed, on one thread and on two, and others with another', async () => {
    const one = await openWasm({ threads: 1 });
    const run = (options: Partial<CompileOptions>) => withModel(options, model => losses(model, batch, 12, loss, momentum()));
    const first = await run({});
    assert.deepEqual(await run({}), first);
    assert.deepEqual(await run({ device: one }), first);
    assert.notDeepEqual(await run({ seed: 2 }), first);
    await one.destroy();
  });

  it('should ask for the loss before the gradients are computed, so that the device is never idle until the host has seen it', async () => {
    const calls: string[] = [];
    const device = new Proxy(wasm, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (name === 'run' || name === 'read') calls.push(name);
          return value.apply(target, args);
        };
      },
    });
    await withModel({ device }, async model => {
      await assert.rejects(model.readLoss(), /readLoss: expected a pass with a loss, got none yet\. Call loss first/);
      await trainStep(model, batch, loss, momentum(), 0.05);
      assert.deepEqual(calls, ['run', 'run', 'read', 'run', 'run', 'run']);
    });
  });

  it('should repeat dropout with the seed, and draw anew at every step', async () => {
    const g = graph('dropping', [8, 8, 3]);
    const dropping = g.output(g.linear('fc', g.dropout('drop', g.flatten('flatten', g.input)), { features: 10 }));
    const run = async (seed: number) => {
      const model = compile(dropping, { device: wasm, batch: 8, seed });
      // a learning rate of zero: only the masks differ from step to step
      const values = await losses(model, batch, 4, loss, sgd({ lr: 0 }), 0);
      await model.destroy();
      return values;
    };
    const first = await run(3);
    assert.equal(new Set(first).size, 4);
    assert.deepEqual(await run(3), first);
  });

  it('should not move frozen parameters, nor anything while evaluating', () =>
    withModel({ frozen: name => name.startsWith('conv') || name === 'bn.weight' }, async model => {
      const optimizer = momentum();
      const before = plain(await model.state());
      await model.upload(batch, 'evaluate');
      await model.forward('evaluate');
      await model.loss(loss, 'evaluate');
      assert.deepEqual(plain(await model.state()), before);
      await losses(model, batch, 3, loss, optimizer);
      const after = plain(await model.state());
      const moved = Object.keys(before).filter(name => before[name]!.some((value, i) => value !== after[name]![i]));
      assert.deepEqual(moved.sort(), ['bn.bias', 'bn.running_mean', 'bn.running_var', 'fc.bias', 'fc.weight']);
      await model.upload(batch, 'evaluate');
      await model.forward('evaluate');
      await model.loss(loss, 'evaluate');
      assert.deepEqual(plain(await model.state()), after);
      assert.equal([...(await model.gradients()).keys()].join(), 'bn.bias,fc.weight,fc.bias');
    }));

  it('should count only the samples of a partial batch when evaluating', () =>
    withModel({}, async model => {
      const evaluate = async (count: number) => {
        await model.upload(fakeBatch({ count, seed: 5 }), 'evaluate');
        await model.forward('evaluate');
        await model.loss(loss, 'evaluate');
        return model.readLoss();
      };
      // each sample alone, behind whatever the batch before left in its padding
      const alone: { loss: number; top1: number }[] = [];
      for (let count = 1; count <= 5; count++) {
        const result = await evaluate(count);
        assert.equal(result.samples, count);
        const sum = alone.reduce((total, each) => total + each.loss, 0);
        const hits = alone.reduce((total, each) => total + each.top1, 0);
        alone.push({ loss: result.loss * count - sum, top1: result.top1 - hits });
      }
      assert.ok(alone.every(each => each.loss > 0 && (each.top1 === 0 || each.top1 === 1)));
      const logits = await model.readLogits(5);
      assert.equal(logits.length, 50);
    }));

  it('should allocate nothing while it steps', () =>
    withModel({}, async model => {
      const optimizer = adam({ lr: 0.001 });
      await trainStep(model, batch, loss, optimizer, 0.001);
      const { allocatedBytes } = wasm;
      assert.equal(model.peakBytes, tensorBytes(wasm));
      await losses(model, batch, 5, crossEntropy(), optimizer, 0.001);
      assert.equal(wasm.allocatedBytes, allocatedBytes);
    }));

  it('should stay as large as it is over many steps', async function () {
    this.timeout(40_000);
    await withModel({}, async model => {
      const optimizer = momentum();
      const small = [fakeBatch({ seed: 1 }), fakeBatch({ seed: 2 })];
      const steps = async (count: number) => {
        for (let step = 0; step < count; step++) await trainStep(model, small[step % 2]!, loss, optimizer, 0.01);
        globalThis.gc?.();
        return process.memoryUsage().rss;
      };
      const early = await steps(200);
      const { allocatedBytes } = wasm;
      const late = await steps(400);
      assert.equal(wasm.allocatedBytes, allocatedBytes);
      // the garbage collector has its own mind about a few MB
      assert.ok(late < early * 1.03 + 4e6, `${early} bytes after 200 steps, ${late} after 600`);
    });
  });

  it('should refuse images, batches and labels that do not fit, by name', () =>
    withModel({}, async model => {
      await assert.rejects(
        model.upload(fakeBatch({ size: [8, 9, 3] }), 'train'),
        /^MillraceError: forward: expected images of \[8,8,3\] \(height, width, channels\) for model "tiny", got \[8,9,3\]\. Change the augmentation/,
      );
      const short =
        /^MillraceError: forward: expected batches of 8, for which the model is compiled, got one of 7\. Use batch\(8, \{ dropLast: true \}\)\.$/;
      await assert.rejects(model.upload(fakeBatch({ count: 7 }), 'train'), short);
      await assert.rejects(model.upload(fakeBatch({ count: 9 }), 'evaluate'), /expected batches of 8.*got one of 9/);
      for (const label of [10, -1]) {
        await assert.rejects(
          model.upload(fakeBatch({ labels: [0, 1, 2, label, 4, 5, 6, 7] }), 'train'),
          new RegExp(
            `^MillraceError: sample "sample 3": expected a label from 0 to 9, since the model has 10 classes, got ${label}\\. Build the model`,
          ),
        );
      }
    }));

  it('should print its plan', () =>
    withModel({}, async model => {
      assert.match(await model.table(), /^segment +node +kernel +shape .+\n.*\d+ nodes, \d+ launches, \d\.\d{3} MFLOP, peak memory /s);
      assert.doesNotMatch(await model.table('evaluate'), /^backward/m);
    }));

  it('should fuse layers unless it is told not to, and learn the same either way', async () => {
    const run = (fuse: boolean) =>
      withModel({ fuse }, async model => [await model.table(), await losses(model, batch, 12, loss, momentum())] as const);
    const [[fused, values], [plain, expected]] = [await run(true), await run(false)];
    assert.match(fused, /^forward +bn\+relu +batchNorm2d\S*\+relu /m);
    assert.match(fused, /^backward +bn\+relu +batchNorm2d\.inputGradient\S*\+relu\.inputGradient in place /m);
    assert.match(plain, /^forward +relu +relu/m);
    assert.doesNotMatch(plain, /\+| in place /);
    for (const [step, value] of values.entries()) assert.ok(Math.abs(value - expected[step]!) < 1e-4, `step ${step}: ${value}`);
  });

  it('should update all parameters at once, with the same numbers under the same names', () =>
    withModel({}, async model => {
      const optimizer = momentum();
      await losses(model, batch, 3, loss, optimizer);
      const table = await model.table();
      assert.match(table, /^update +5 parameters +sgd\.momentum/m);
      assert.deepEqual([...new Set(table.match(/^update +\S+ parameters/gm))].length, 1);
      const [before, gradients, moved] = [plain(await model.state()), plain(await model.gradients()), plain(await model.optimizerState())];
      assert.deepEqual(Object.keys(moved), [...Object.keys(gradients).map(name => `${name}:momentum`), 'step']);
      await model.update(optimizer, 0.05);
      const [after, momenta] = [plain(await model.state()), plain(await model.optimizerState())];
      for (const [name, gradient] of Object.entries(gradients)) {
        for (const [i, value] of gradient.entries()) {
          const expected = 0.9 * moved[`${name}:momentum`]![i]! + value + 1e-4 * before[name]![i]!;
          assert.ok(Math.abs(momenta[`${name}:momentum`]![i]! - expected) < 1e-6, `${name}:momentum[${i}]`);
          assert.ok(Math.abs(after[name]![i]! - (before[name]![i]! - 0.05 * expected)) < 1e-6, `${name}[${i}]`);
        }
      }
    }));

  it('should update in several launches where a device cannot bind all parameters at once', async () => {
    // wasm has no such limit: a device that says so
    const limited = new Proxy(wasm, {
      get(target, key) {
        const value: unknown = key === 'largestBinding' ? 1536 : Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const run = (device: Device) =>
      withModel({ device, variants: false }, async model => {
        const values = await losses(model, batch, 4, loss, momentum());
        return { values, table: await model.table(), state: plain(await model.state()), optimizer: plain(await model.optimizerState()) };
      });
    const [parts, whole] = [await run(limited), await run(wasm)];
    // the convolution's and the batch norm's, 1536 bytes, and the linear layer's, as many
    assert.deepEqual(
      [...new Set(parts.table.match(/^update +\S+ parameters/gm))].map(row => row.replace(/^update +/, '')),
      ['3 parameters', '2 parameters'],
    );
    assert.deepEqual([parts.values, parts.state, parts.optimizer], [whole.values, whole.state, whole.optimizer]);
  });

  it('should account for its memory', () =>
    withModel({}, async model => {
      const before = await model.memory();
      assert.deepEqual([before.weights, before.optimizer, before.gradients], [2312, 0, 2248]);
      await trainStep(model, batch, loss, momentum(), 0.1);
      const after = await model.memory();
      assert.deepEqual(after, { ...after, weights: 2312, optimizer: 2248, gradients: 2248, kept: before.kept });
      assert.equal(after.lowerBound, 2312 + 2248 + 2248 + after.kept);
      assert.ok(after.peak >= after.lowerBound && after.peak <= model.peakBytes, `${after.peak} of ${model.peakBytes}`);
      assert.equal(after.peak + after.scratch, model.peakBytes + wasm.scratchBytes!);
    }));

  it('should take batches with and without edits in turn, for no more memory than the edits', () =>
    withModel({}, async model => {
      const pass = async (each: Batch) => {
        await model.upload(each, 'train');
        await model.forward('train');
        await model.loss(loss, 'train');
        await model.backward();
        return { logits: await model.readLogits(), gradients: plain(await model.gradients()) };
      };
      const mixture = { partners: Int32Array.of(7, 0, 1, 2, 3, 4, 5, 6), shares: new Float32Array(8).fill(0.3) };
      const alone = await pass(batch);
      const before = model.peakBytes;
      // each keeps all of itself
      const own = { ...batch, mixture: { ...mixture, shares: new Float32Array(8).fill(1) } };
      await model.upload(own, 'train');
      await model.forward('train');
      const more = model.peakBytes - before;
      assert.ok(more >= 4 * 8 * editsLength(3) && more < 4 * 8 * editsLength(3) + 64, String(more));
      const unmixed = await pass(own);
      assert.deepEqual(unmixed, alone);
      const mixed = await pass({ ...batch, mixture });
      assert.notDeepEqual(mixed.logits, alone.logits);
      assert.deepEqual(await pass(batch), alone);
      assert.deepEqual(await pass({ ...batch, mixture }), mixed);
    }));

  it('should learn from images that it adjusts as from the same ones adjusted before', () =>
    withModel({}, async model => {
      const pass = async (each: Batch) => {
        await model.upload(each, 'train');
        await model.forward('train');
        await model.loss(loss, 'train');
        await model.backward();
        return { logits: await model.readLogits(), gradients: plain(await model.gradients()) };
      };
      const edits = randomPixelEdits(8, batch, 2);
      const adjusted = { ...batch, edits };
      const cells = batch.cells.map((_, i) => shownPixels(adjusted, i));
      const [plainly, before, there] = [await pass(batch), await pass({ ...batch, cells }), await pass(adjusted)];
      assert.deepEqual(there, before);
      assert.notDeepEqual(there, plainly);
      assert.deepEqual(await pass(batch), plainly);
    }));

  it('should refuse a backward pass whose activations are not there, or were overwritten by one', () =>
    withModel({}, async model => {
      const message =
        /^MillraceError: backward of model "tiny": expected activations of a forward pass in training, got none, or used ones\. Run forward\('train'\) and loss\(…, 'train'\) before each backward\(\)\.$/;
      const optimizer = momentum();
      await assert.rejects(model.backward(), message);
      await trainStep(model, batch, loss, optimizer, 0.1);
      await assert.rejects(model.backward(), message);
      await trainStep(model, batch, loss, optimizer, 0.1);
    }));

  it('should refuse to be used once destroyed, and be destroyed twice', async () => {
    const model = compile(tiny(), { device: wasm, batch: 8 });
    const optimizer = momentum();
    await trainStep(model, batch, loss, optimizer, 0.1);
    await Promise.all([model.destroy(), model.destroy()]);
    const message = /^MillraceError: model "tiny": expected a model in use, got one that was destroyed\. Compile the graph again\.$/;
    await assert.rejects(model.upload(batch, 'train'), message);
    await assert.rejects(model.forward('train'), message);
    await assert.rejects(model.loss(loss, 'train'), message);
    await assert.rejects(model.backward(), message);
    await assert.rejects(model.update(optimizer, 0.1), message);
    await assert.rejects(model.readLoss(), message);
    await assert.rejects(model.state(), message);
    await assert.rejects(model.load(new Map()), message);
    await assert.rejects(model.optimizerState(), message);
    assert.equal(tensorBytes(wasm), 0);
  });

  it('should leave nothing on a device that is too small for it', () => {
    const g = graph('huge', [8, 8, 3]);
    const huge = g.output(g.linear('second', g.linear('first', g.flatten('flatten', g.input), { features: 100 }), { features: 2 ** 24 }));
    assert.throws(() => compile(huge, { device: wasm, batch: 1 }), /memory for "parameters" within the 4 GiB/);
    assert.equal(tensorBytes(wasm), 0);
  });
});
