import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { crossEntropy } from '../../../core/losses/index.ts';
import { adam, type Optimizer, sgd } from '../../../core/optimizers/index.ts';
import { compile } from '../../../core/training/compiledModel.ts';
import { LossScale, type LossScaling } from '../../../core/training/lossScale.ts';
import type { TensorData } from '../../../core/training/torchLayout.ts';
import { tiny } from '../../../models/tiny.ts';
import { fakeBatch } from '../../trainingFixtures.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { losses, trainStep } from './train.ts';

const plain = (state: Map<string, TensorData>) => Object.fromEntries([...state].map(([name, { data }]) => [name, [...data]]));

describe('LossScale', () => {
  it('should halve after an overflow, and double after good steps in a row @smoke', () => {
    const scale = new LossScale({ initial: 1024, interval: 3 });
    const after = (...finite: boolean[]) => {
      for (const each of finite) scale.record(each);
      return scale.scale;
    };
    assert.equal(after(false), 512);
    assert.equal(after(true, true), 512);
    assert.equal(after(false), 256);
    assert.equal(after(true, true, true), 512);
    assert.equal(after(true, true), 512);
    assert.equal(after(true), 1024);
    assert.equal(scale.skipped, 2);
    assert.equal(after(...Array.from({ length: 20 }, () => false)), 1);
    assert.equal(after(...Array.from({ length: 100 }, () => true)), 2 ** 24);
    const other = new LossScale();
    assert.equal(other.scale, 65_536);
    other.state = scale.state;
    assert.deepEqual([other.scale, other.good, other.skipped], [scale.scale, scale.good, scale.skipped]);
  });

  it('should refuse factors that do not scale back exactly', () => {
    assert.throws(
      () => new LossScale({ initial: 1000 }),
      /lossScaling: expected a power of two from 1 to 16777216 as initial factor, got 1000/,
    );
    assert.throws(() => new LossScale({ interval: 0 }), /lossScaling: expected an interval of 1 step or more, got 0/);
  });
});

describe('a model with loss scaling', () => {
  const batch = fakeBatch();
  const loss = crossEntropy();
  const momentum = () => sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-4 });

  for (const [name, open] of Object.entries({
    wasm: () => openWasm({ threads: 2 }),
    cpu: () => openCpu(),
    webgpu: (context: Mocha.Context) => openAnyWebgpu(context),
  })) {
    describe(name, () => {
      let device: Device;
      before(async function () {
        device = await open(this);
      });
      after(() => device?.destroy());
      const train = async (steps: number, optimizer: Optimizer, lossScaling?: LossScaling) => {
        const model = compile(tiny(), { device, batch: 8, seed: 1, lossScaling });
        const values = await losses(model, batch, steps, loss, optimizer);
        const state = { ...plain(await model.state()), ...plain(await model.optimizerState()) };
        const gradients = plain(await model.gradients());
        await model.destroy();
        delete state.lossScale;
        return { values, state, gradients };
      };

      it('should train as without, bit for bit: powers of two scale back exactly', async () => {
        for (const optimizer of [momentum, () => adam({ lr: 0.001 })]) {
          assert.deepEqual(await train(3, optimizer(), { initial: 4096, interval: 2 }), await train(3, optimizer()));
        }
      });

      it('should leave out a step whose gradients overflow, and try a smaller factor', async () => {
        const model = compile(tiny(), { device, batch: 8, seed: 1, lossScaling: { initial: 2 ** 24 } });
        const optimizer = momentum();
        // logits and loss are finite, gradients in front of the last layer times 2^24 are not
        const weights = await model.state();
        const { data } = weights.get('fc.weight')!;
        for (let i = 0; i < data.length; i++) data[i]! *= 1e33;
        await model.load(weights);
        const before = plain(await model.state());
        const result = await trainStep(model, batch, loss, optimizer, 1e-6);
        assert.ok(Number.isFinite(result.loss), `${result.loss}`);
        assert.deepEqual([model.lossScale!.scale, model.lossScale!.skipped, model.updates], [2 ** 23, 1, 1]);
        const after = plain(await model.state());
        for (const each of ['conv.weight', 'bn.weight', 'bn.bias', 'fc.weight', 'fc.bias'])
          assert.deepEqual(after[each], before[each], each);
        const kept = plain(await model.optimizerState());
        for (const each of Object.keys(kept).filter(key => key.includes(':')))
          assert.ok(
            kept[each]!.every(value => value === 0),
            each,
          );
        assert.deepEqual(kept.lossScale, [2 ** 23, 0, 1]);
        // smaller and smaller, until it is small enough
        for (let step = 0; step < 23 && model.lossScale!.good === 0; step++) await trainStep(model, batch, loss, optimizer, 1e-30);
        assert.equal(model.lossScale!.good, 1);
        const moved = { ...plain(await model.state()), ...plain(await model.optimizerState()) };
        assert.ok(moved['fc.bias:momentum']!.some(value => value !== 0));
        for (const [each, values] of Object.entries(moved)) assert.ok(values.every(Number.isFinite), each);
        await model.destroy();
      });
    });
  }

  it('should go on with the factor that it was saved with', async () => {
    const device = await openWasm({ threads: 1 });
    const first = compile(tiny(), { device, batch: 8, lossScaling: { initial: 256, interval: 2 } });
    await losses(first, batch, 3, loss, momentum());
    const second = compile(tiny(), { device, batch: 8, lossScaling: {} });
    await second.load(await first.state());
    second.loadOptimizerState(await first.optimizerState());
    assert.deepEqual([second.lossScale!.scale, second.lossScale!.good, second.updates], [512, 1, 3]);
    await device.destroy();
  });
});
