import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { graph } from '../../../core/graph/builder.ts';
import { crossEntropy } from '../../../core/losses/index.ts';
import { adamw, sgd } from '../../../core/optimizers/index.ts';
import { type CompiledModel, compile } from '../../../core/training/compiledModel.ts';
import type { TensorData } from '../../../core/training/torchLayout.ts';
import { tiny } from '../../../models/tiny.ts';
import { fakeBatch, tensorBytes } from '../../trainingFixtures.ts';
import { losses, trainStep } from './train.ts';

const batch = fakeBatch();
const loss = crossEntropy();
const plain = (state: Map<string, TensorData>) =>
  Object.fromEntries([...state].map(([name, { shape, data }]) => [name, { shape: [...shape], data: [...data] }]));

describe('CompiledModel.state', () => {
  let device: Device;
  const models: CompiledModel[] = [];
  before(async () => {
    device = await openWasm({ threads: 1 });
  });
  afterEach(async () => {
    for (const model of models.splice(0)) await model.destroy();
    assert.equal(tensorBytes(device), 0);
  });
  after(() => device.destroy());

  const compiled = (seed = 0, graph = tiny()) => {
    const model = compile(graph, { device, batch: 8, seed });
    models.push(model);
    return model;
  };

  it("should have PyTorch's names and shapes, in the graph's order", async () => {
    const state = await compiled().state();
    assert.deepEqual(
      [...state].map(([name, { shape }]) => `${name} ${shape.join('×')}`),
      ['conv.weight 8×3×3×3', 'bn.weight 8', 'bn.bias 8', 'bn.running_mean 8', 'bn.running_var 8', 'fc.weight 10×32', 'fc.bias 10'],
    );
  });

  it('should go round: another model that loads it computes the same', async () => {
    const [first, second] = [compiled(1), compiled(2)];
    await losses(first, batch, 3, loss, sgd({ lr: 0.1 }), 0.1);
    const state = await first.state();
    assert.notDeepEqual(plain(await second.state()), plain(state));
    // PyTorch's files have one count more
    await second.load(new Map([...state, ['bn.num_batches_tracked', { shape: [], data: Float32Array.of(3) }]]));
    assert.deepEqual(plain(await second.state()), plain(state));
    const logits = [];
    for (const model of [first, second]) {
      await model.upload(batch, 'evaluate');
      await model.forward('evaluate');
      logits.push([...(await model.readLogits())]);
    }
    assert.deepEqual(logits[1], logits[0]);
  });

  it('should be of one moment although steps go on', async () => {
    const model = compiled();
    const optimizer = sgd({ lr: 0.1 });
    await trainStep(model, batch, loss, optimizer, 0.1);
    const before = plain(await model.state());
    const reading = model.state();
    await trainStep(model, batch, loss, optimizer, 0.1);
    assert.deepEqual(plain(await reading), before);
  });

  it('should be strict about names and shapes, and then write nothing', async () => {
    const model = compiled();
    const state = await model.state();
    const without = (...names: string[]) => new Map([...state].filter(([name]) => !names.includes(name)));
    const where = 'MillraceError: weights of model "tiny"';
    const fix = 'Use a checkpoint of this model, with this number of classes';
    const other = { shape: [1], data: Float32Array.of(7) };
    const refused: [Map<string, TensorData>, string][] = [
      [without('bn.bias'), `${where}: expected exactly its 7 tensors, got no bn.bias. ${fix}.`],
      [new Map([...state, ['head.bias', other]]), `${where}: expected exactly its 7 tensors, got also head.bias. ${fix}.`],
      [
        new Map([...without('conv.weight', 'bn.weight', 'bn.bias', 'fc.bias'), ['x', other]]),
        `${where}: expected exactly its 7 tensors, got no conv.weight, bn.weight, bn.bias, … (4 in all); also x. ${fix}.`,
      ],
      [
        new Map([...state, ['bn.bias', other], ['fc.weight', { shape: [32, 10], data: new Float32Array(320) }]]),
        `${where}: "bn.bias": expected shape [8], got [1]. ${fix} and channels.`,
      ],
    ];
    for (const [tensors, message] of refused) {
      await assert.rejects(model.load(tensors), error => String(error) === message);
      assert.deepEqual(plain(await model.state()), plain(state));
    }
  });

  for (const [name, make, kept] of [
    ['sgd with momentum', () => sgd({ lr: 0.1, momentum: 0.9 }), 1],
    ['adamw', () => adamw({ lr: 0.01 }), 2],
  ] as const) {
    it(`should go on with ${name} as if it had never been saved`, async () => {
      const [straight, resumed] = [compiled(1), compiled(9)];
      const optimizer = make();
      await losses(straight, batch, 3, loss, optimizer, 0.01);
      const [weights, state] = [await straight.state(), await straight.optimizerState()];
      assert.equal(state.get('step')?.data[0], 3);
      assert.equal([...state.keys()].filter(key => key.startsWith('conv.weight:')).length, kept);
      assert.deepEqual(state.get([...state.keys()].find(key => key.startsWith('conv.weight:'))!)?.shape, [8, 3, 3, 3]);
      const expected = await losses(straight, batch, 3, loss, optimizer, 0.01);

      await resumed.load(weights);
      resumed.loadOptimizerState(state);
      assert.equal(resumed.updates, 3);
      // saved again before its first step, it is still all there
      assert.deepEqual(plain(await resumed.optimizerState()), plain(state));
      assert.deepEqual(await losses(resumed, batch, 3, loss, make(), 0.01), expected);
      assert.deepEqual(plain(await resumed.state()), plain(await straight.state()));
    });
  }

  it("should refuse another optimizer's state, a late one, and a second optimizer", async () => {
    const [first, second, third] = [compiled(), compiled(), compiled()];
    const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
    await trainStep(first, batch, loss, optimizer, 0.1);
    const state = await first.optimizerState();
    assert.throws(
      () => first.loadOptimizerState(state),
      /^MillraceError: loadOptimizerState: expected a model that has not been updated yet, got one that has\. Load before the first step\.$/,
    );
    second.loadOptimizerState(state);
    await assert.rejects(
      trainStep(second, batch, loss, adamw({ lr: 0.1 }), 0.1),
      /^MillraceError: optimizer state "conv\.weight:\w+": expected shape \[8,3,3,3\], got nothing\. Resume with the optimizer and model/,
    );
    third.loadOptimizerState(new Map([...state, ['fc.bias:momentum', { shape: [11], data: new Float32Array(11) }]]));
    await assert.rejects(
      trainStep(third, batch, loss, sgd({ lr: 0.1, momentum: 0.9 }), 0.1),
      /optimizer state "fc\.bias:momentum": expected shape \[10\], got \[11\]/,
    );
    await assert.rejects(
      trainStep(first, batch, loss, adamw({ lr: 0.1 }), 0.1),
      /^MillraceError: optimize: expected the optimizer that this model was first updated with \(sgd\), got another one \(adamw\)\. Use one optimizer object/,
    );
  });
});

describe('CompiledModel.diagnose', () => {
  let device: Device;
  before(async () => {
    device = await openWasm({ threads: 2 });
  });
  after(() => device.destroy());

  async function afterPass(
    change: (state: Map<string, TensorData>) => void,
    model = compile(tiny(), { device, batch: 8 }),
  ): Promise<string> {
    const state = await model.state();
    change(state);
    await model.load(state);
    await model.upload(batch, 'train');
    await model.forward('train');
    await model.loss(loss, 'train');
    const found = await model.diagnose(loss);
    await model.destroy();
    return found;
  }

  it('should name the weight that was not finite', async () => {
    for (const name of ['conv.weight', 'bn.bias', 'fc.weight']) {
      const found = await afterPass(state => {
        state.get(name)!.data[3] = Number.NaN;
      });
      assert.equal(found, `with the weights: "${name}" is not finite before this step`);
    }
  });

  it('should name the layer where finite weights overflowed', async () => {
    const overflow = (name: string) =>
      afterPass(state => {
        state.get(name)!.data.fill(3e38);
      });
    assert.match(await overflow('conv.weight'), /^in layer "conv" \(conv2d/);
    assert.match(await overflow('fc.weight'), /^in layer "fc" \(linear/);
  });

  it('should say so when all is well', async () => {
    assert.equal(await afterPass(() => undefined), 'nowhere that running the pass again shows');
  });

  it('should leave running statistics as they were, and those finite', async () => {
    const model = compile(tiny(), { device, batch: 8 });
    const state = await model.state();
    state.get('conv.weight')!.data.fill(3e38);
    await model.load(state);
    const before = plain(await model.state());
    await model.upload(batch, 'train');
    await model.forward('train');
    await model.loss(loss, 'train');
    assert.ok(!Number.isFinite((await model.readLoss()).loss));
    await model.diagnose(loss);
    assert.deepEqual(plain(await model.state()), before);
    await model.destroy();
  });

  it('should not name a running statistic that training does not read', async () => {
    const g = graph('flat', [8, 8, 3]);
    const found = await afterPass(
      state => {
        state.get('bn.running_mean')!.data.fill(Number.NaN);
        state.get('fc.bias')!.data.fill(Number.POSITIVE_INFINITY);
      },
      compile(g.output(g.linear('fc', g.flatten('flatten', g.batchNorm2d('bn', g.input)), { features: 10 })), { device, batch: 8 }),
    );
    assert.equal(found, 'with the weights: "fc.bias" is not finite before this step');
  });
});
