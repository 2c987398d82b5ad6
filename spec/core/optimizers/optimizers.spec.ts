import assert from 'node:assert/strict';
import { adam, adamw, type Optimizer, sgd } from '../../../core/optimizers/index.ts';
import { assertClose } from '../ops/finiteDifferences.ts';
import { excess, readGolden } from '../ops/golden.ts';
import { interpret } from '../ops/run.ts';
import { updates } from './updates.ts';

const start = [0.5, -1.25, 2];
const gradients = [
  [1, -0.5, 0.25],
  [0.5, 2, -3],
  [-1.5, 0.125, 0.75],
];
/** lr and Adam's factors are f32 on the way to the kernel. */
const tolerance = 1e-7;
const last = async (optimizer: Optimizer, options?: Parameters<typeof updates>[3]) =>
  (await updates(optimizer, start, gradients, options)).after[2];

describe('sgd, adam, adamw', () => {
  it("should match PyTorch's reference tensors @smoke", async () => {
    const golden = readGolden();
    const cases = golden.cases.filter(({ op }) => op.startsWith('optimizer_'));
    assert.deepEqual(new Set(cases.map(({ op }) => op)), new Set(['optimizer_sgd', 'optimizer_adam', 'optimizer_adamw']));
    for (const { case: name, op, attrs, inputs, grads, outputs } of cases) {
      const options = {
        lr: Number(attrs.lr),
        weightDecay: Number(attrs.weight_decay ?? 0),
        momentum: Number(attrs.momentum ?? 0),
        nesterov: Boolean(attrs.nesterov),
      };
      const { lr, weightDecay } = options;
      const optimizer = op === 'optimizer_sgd' ? sgd(options) : (op === 'optimizer_adam' ? adam : adamw)({ lr, weightDecay });
      const read = (key: string) => golden.tensor(key).data as Float32Array;
      const steps = [0, 1, 2];
      const { after } = await updates(
        optimizer,
        read(inputs.p),
        steps.map(step => read(grads[`p${step}`])),
        { run: interpret({ precision: Float32Array }) },
      );
      for (const step of steps) {
        const error = excess(after[step], read(outputs[`p${step}`]));
        assert.ok(error <= 1, `${name}, step ${step}: ${error.toPrecision(3)} times the allowed error`);
      }
    }
  });

  // computed with torch 1.13 in float64
  it('should give the first momentum step the whole gradient and dampen the others', async () => {
    const optimizer = sgd({ lr: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.01 });
    assertClose(await last(optimizer), [0.254623549875, -1.30559767469, 2.17140679325], tolerance);
  });
  it('should decay through the moments in adam', async () => {
    const optimizer = adam({ lr: 0.05, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.1 });
    assertClose(await last(optimizer), [0.410355441862, -1.24700735157, 1.99541475519], tolerance);
  });
  it('should decay beside the moments in adamw', async () => {
    const optimizer = adamw({ lr: 0.05, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.1 });
    assertClose(await last(optimizer), [0.405980088613, -1.23608788842, 1.97375412993], tolerance);
  });

  const all: Record<string, (weightDecay: number) => Optimizer> = {
    sgd: weightDecay => sgd({ lr: 0.1, weightDecay }),
    'sgd with momentum': weightDecay => sgd({ lr: 0.1, momentum: 0.9, weightDecay }),
    'sgd with Nesterov momentum': weightDecay => sgd({ lr: 0.1, momentum: 0.9, nesterov: true, weightDecay }),
    adam: weightDecay => adam({ lr: 0.01, weightDecay }),
    adamw: weightDecay => adamw({ lr: 0.01, weightDecay }),
  };
  for (const [name, make] of Object.entries(all)) {
    it(`should exempt a parameter from the decay of ${name}`, async () => {
      assert.deepEqual(await last(make(0.3), { decays: false }), await last(make(0)));
      assert.notDeepEqual(await last(make(0.3)), await last(make(0)));
    });

    it(`should take a scaled gradient back to its size in ${name}`, async () => {
      const scaled = gradients.map(row => row.map(value => value * 4096));
      const { after } = await updates(make(0.1), start, scaled, { lossScale: 4096 });
      assert.deepEqual(after[2], await last(make(0.1)));
    });

    it(`should go on from saved state as if it had not stopped, in ${name}`, async () => {
      const whole = await updates(make(0.1), start, gradients);
      const before = await updates(make(0.1), start, gradients.slice(0, 2));
      const after = await updates(make(0.1), before.after[1], gradients.slice(2), { from: 2, state: before.state });
      assert.deepEqual(after.after[0], whole.after[2]);
    });

    it(`should declare what ${name} keeps, and update in place in segment update`, async () => {
      const { program } = await updates(make(0), start, []);
      const kept = Object.values(program.tensors).filter(({ kind }) => kind === 'optimizer');
      assert.deepEqual(
        kept.map(tensor => [tensor.name, tensor.shape, tensor.layout]),
        make(0).state.map(state => [`p:${state}`, [3], 'plain']),
      );
      for (const node of program.nodes) {
        assert.equal(node.segment, 'update');
        assert.equal(node.inputs[0], node.output);
      }
    });
  }

  it('should refuse values that cannot work', () => {
    const cases: [() => unknown, string][] = [
      [
        () => sgd({ lr: -1 }),
        'sgd: expected a learning rate that is finite and not negative, got -1. Common values are 0.1 for sgd and 0.001 for adam.',
      ],
      [
        () => sgd({ lr: Number.NaN }),
        'sgd: expected a learning rate that is finite and not negative, got NaN. Common values are 0.1 for sgd and 0.001 for adam.',
      ],
      [() => sgd({ lr: 0.1, momentum: 1 }), 'sgd: expected momentum from 0 to below 1, got 1. Change momentum.'],
      [() => sgd({ lr: 0.1, weightDecay: -0.1 }), 'sgd: expected a finite weightDecay from 0 up, got -0.1. Change weightDecay.'],
      [
        () => sgd({ lr: 0.1, nesterov: true }),
        'sgd: expected momentum above 0 and no dampening with nesterov, got momentum 0 and dampening 0. Set momentum: 0.9, or leave nesterov out.',
      ],
      [() => adam({ lr: 0.1, betas: [0.9, 1] }), 'adam: expected betas[1] from 0 to below 1, got 1. Change betas[1].'],
      [() => adam({ lr: 0.1, betas: [0.9] as never }), 'adam: expected two betas, got [0.9]. For instance betas: [0.9, 0.999].'],
      [() => adamw({ lr: 0.1, eps: -1 }), 'adamw: expected a finite eps from 0 up, got -1. Change eps.'],
      [
        () => adamw({ lr: '0.1' as never }),
        'adamw: expected lr as a number, a function of (step, epoch) or an Observable of numbers, got "0.1". For instance lr: 0.1.',
      ],
    ];
    for (const [make, message] of cases) assert.throws(make, { message });
  });
});
