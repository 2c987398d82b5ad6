import assert from 'node:assert/strict';
import { crossEntropy, resultSlot } from '../../../core/losses/index.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fillHyper, hyperLength, hyperName, hyperTensor } from '../../../core/program/hyper.ts';
import { noise } from '../ops/finiteDifferences.ts';
import { excess, readGolden } from '../ops/golden.ts';
import { interpret, type Runner } from '../ops/run.ts';

interface Options {
  labelSmoothing?: number;
  lossScale?: number;
  mixed?: { targets: readonly number[]; weights: readonly number[] };
  train?: boolean;
  run?: Runner;
}

async function lossOf(
  rows: readonly ArrayLike<number>[],
  targets: readonly number[],
  { labelSmoothing, lossScale, mixed, train = true, run = interpret({ strict: true }) }: Options = {},
) {
  const [N, C] = [rows.length, rows[0].length];
  const program = new ProgramBuilder();
  const inputs = { logits: program.declare('logits', 'input', [N, C]), targets: program.declare('targets', 'input', [N]) };
  const second = mixed && { targets: program.declare('seconds', 'input', [N]), weights: program.declare('weights', 'input', [N]) };
  const built = { ...inputs, mixed: second, hyper: hyperTensor(program), train };
  const { result, gradient } = crossEntropy({ labelSmoothing }).build(program, built);
  const hyper = new Float32Array(hyperLength);
  fillHyper(hyper, { lr: 1, step: 0, seed: 0, lossScale });
  const logits = rows.flatMap(row => Array.from(row));
  const extra = mixed && { seconds: mixed.targets, weights: mixed.weights };
  const values = await run(program.build(), { logits, targets, ...extra, [hyperName]: hyper });
  const at = values[result.name];
  return {
    loss: at[resultSlot.loss],
    top1: at[resultSlot.top1],
    top5: at[resultSlot.top5],
    samples: at[resultSlot.samples],
    gradient: gradient && Array.from(values[gradient.name]),
  };
}
const float32 = interpret({ precision: Float32Array });
const rowsOf = (N: number, C: number) => Array.from({ length: N }, (_, n) => noise(C, n + 1).map(value => 3 * value));

describe('crossEntropy', () => {
  it("should match PyTorch's reference tensors @smoke", async () => {
    const golden = readGolden();
    const cases = golden.cases.filter(({ op }) => op === 'cross_entropy');
    assert.ok(cases.length > 0);
    for (const { attrs, inputs, outputs, grads } of cases) {
      const x = golden.tensor(inputs.x);
      const [N, C] = x.shape;
      const rows = Array.from({ length: N }, (_, n) => (x.data as Float32Array).subarray(n * C, (n + 1) * C));
      const targets = Array.from(golden.tensor(inputs.target).data as Int32Array);
      const { loss, gradient } = await lossOf(rows, targets, { labelSmoothing: Number(attrs.label_smoothing), run: float32 });
      assert.ok(excess([loss], golden.tensor(outputs.y).data as Float32Array) <= 1);
      assert.ok(excess(gradient!, golden.tensor(grads.x).data as Float32Array) <= 1);
    }
  });

  for (const labelSmoothing of [0, 0.1, 1]) {
    it(`should have the gradient that differences say, with label smoothing ${labelSmoothing} and a padded row`, async () => {
      const rows = rowsOf(5, 7);
      const targets = [3, 0, -1, 6, 6];
      const { gradient } = await lossOf(rows, targets, { labelSmoothing });
      for (let i = 0; i < 35; i++) {
        const moved = (step: number) =>
          rows.map((row, n) => (n === Math.floor(i / 7) ? row.map((value, j) => (j === i % 7 ? value + step : value)) : row));
        const above = await lossOf(moved(1e-4), targets, { labelSmoothing, train: false });
        const below = await lossOf(moved(-1e-4), targets, { labelSmoothing, train: false });
        assert.ok(Math.abs(gradient![i] - (above.loss - below.loss) / 2e-4) < 1e-8, `element ${i}`);
      }
    });
  }

  it("should give PyTorch's loss and gradient for soft labels", async () => {
    const rows = [
      [1, 2, 0.5, -1],
      [0.3, -0.2, 2, 0.1],
      [0, 1, -1, 3],
    ];
    // torch.nn.functional.cross_entropy with probabilities [0,.7,.3,0], [.6,0,0,.4], [0,0,1,0], in float64
    const mixed = { targets: [2, 3, 2], weights: [0.3, 0.4, 0.25] };
    const expected = [
      {
        labelSmoothing: 0,
        loss: 2.425708984606769,
        first: [0.07473593934940037, -0.030179987467040946, -0.054670361402164816, 0.010114409519805408],
        last: [0.013790232306986717, 0.03748573789031085, -0.32826019037861465, 0.2769842201813171],
      },
      {
        labelSmoothing: 0.1,
        loss: 2.3872089846067692,
        first: [0.06640260601606705, -0.015179987467040926, -0.05300369473549816, 0.0017810761864720762],
        last: [0.005456898973653386, 0.029152404556977523, -0.3032601903786147, 0.2686508868479838],
      },
    ];
    for (const { labelSmoothing, loss, first, last } of expected) {
      const found = await lossOf(rows, [1, 0, 2], { labelSmoothing, mixed });
      assert.ok(Math.abs(found.loss - loss) < 1e-12, String(found.loss));
      for (let j = 0; j < 4; j++) {
        assert.ok(Math.abs(found.gradient![j] - first[j]) < 1e-12);
        assert.ok(Math.abs(found.gradient![8 + j] - last[j]) < 1e-12);
      }
      // hits are those of the first targets
      assert.deepEqual([found.top1, found.samples], [1, 3]);
    }
  });

  it('should have the gradient that differences say with second targets, a padded row and a loss scale', async () => {
    const rows = rowsOf(5, 7);
    const targets = [3, 0, -1, 6, 6];
    const options = { labelSmoothing: 0.1, mixed: { targets: [1, 0, -1, 2, 0], weights: [0.5, 0.3, 0.2, 0, 0.4] } };
    const { gradient, samples } = await lossOf(rows, targets, { ...options, lossScale: 64 });
    assert.equal(samples, 4);
    for (let i = 0; i < 35; i++) {
      const moved = (step: number) =>
        rows.map((row, n) => (n === Math.floor(i / 7) ? row.map((value, j) => (j === i % 7 ? value + step : value)) : row));
      const above = await lossOf(moved(1e-4), targets, { ...options, train: false });
      const below = await lossOf(moved(-1e-4), targets, { ...options, train: false });
      assert.ok(Math.abs(gradient![i] / 64 - (above.loss - below.loss) / 2e-4) < 1e-8, `element ${i}`);
    }
    assert.deepEqual(gradient!.slice(14, 21), new Array(7).fill(0));
    const wrong = await lossOf([[1, 2, 3]], [0], { mixed: { targets: [3], weights: [0.1] } });
    assert.ok(!Number.isFinite(wrong.loss));
  });

  it('should multiply the gradient, not the loss, by the loss scale', async () => {
    const rows = rowsOf(3, 4);
    const once = await lossOf(rows, [0, 1, 2]);
    const scaled = await lossOf(rows, [0, 1, 2], { lossScale: 1024 });
    assert.equal(scaled.loss, once.loss);
    assert.deepEqual(
      scaled.gradient,
      once.gradient!.map(value => value * 1024),
    );
  });

  it('should leave padding out of everything, whatever its logits are', async () => {
    const rows = rowsOf(3, 6);
    const whole = await lossOf(rows, [0, 1, 2]);
    const padded = await lossOf([...rows, new Float64Array(6).fill(Number.NaN), new Float64Array(6)], [0, 1, 2, -1, -1]);
    assert.deepEqual({ ...padded, gradient: padded.gradient!.slice(0, 18) }, { ...whole, samples: 3 });
    assert.deepEqual(padded.gradient!.slice(18), new Array(12).fill(0));
    const empty = await lossOf(rows, [-1, -1, -1]);
    assert.deepEqual([empty.loss, empty.top1, empty.top5, empty.samples], [0, 0, 0, 0]);
  });

  it('should count hits, ties by the lower index', async () => {
    const row = [5, 9, 7, 8, 6, 4, 4, 3];
    const hits = async (target: number, logits = row) => {
      const { top1, top5 } = await lossOf([logits], [target]);
      return [top1, top5];
    };
    assert.deepEqual(await hits(1), [1, 1]);
    assert.deepEqual(await hits(2), [0, 1]);
    assert.deepEqual(await hits(0), [0, 1]);
    assert.deepEqual(await hits(5), [0, 0]);
    const ties = new Array(8).fill(2);
    assert.deepEqual(await hits(0, ties), [1, 1]);
    assert.deepEqual(await hits(4, ties), [0, 1]);
    assert.deepEqual(await hits(5, ties), [0, 0]);
    // fewer than five classes: every sample is among the first five
    assert.deepEqual(await hits(3, [4, 3, 2, 1]), [0, 1]);
    const { top1, top5, samples } = await lossOf([row, row, row], [1, 2, 7]);
    assert.deepEqual([top1, top5, samples], [1, 2, 3]);
  });

  it('should stay finite for huge logits in float32', async () => {
    const { loss, gradient } = await lossOf(
      [
        [1e4, -1e4, 0],
        [-3e30, 3e30, 1],
      ],
      [0, 1],
      { run: float32 },
    );
    assert.equal(loss, 0);
    assert.deepEqual(
      gradient!.map(value => value + 0),
      [0, 0, 0, 0, 0, 0],
    );
    const wrong = await lossOf([[1e4, 0]], [1], { run: float32 });
    assert.equal(wrong.loss, 1e4);
    assert.deepEqual(wrong.gradient, [1, -1]);
  });

  it('should give a loss that is not finite, and no hit, for logits that are not', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const place of [0, 1, 2]) {
        const row = [1, 2, 3];
        row[place] = bad;
        const { loss } = await lossOf([[1, 2, 3], row], [0, 1], { run: float32 });
        assert.ok(!Number.isFinite(loss), `${bad} at ${place} gives ${loss}`);
      }
    }
    const { top1, top5 } = await lossOf([[Number.NaN, Number.NaN, Number.NaN]], [0]);
    assert.deepEqual([top1, top5], [0, 0]);
    const { top1: besides } = await lossOf([[3, Number.NaN]], [0]);
    assert.equal(besides, 0);
  });

  it('should not let a target without a logit pass for a loss', async () => {
    assert.ok(!Number.isFinite((await lossOf([[1, 2, 3]], [3])).loss));
  });

  it('should write no gradient when it is not asked for one', async () => {
    assert.equal((await lossOf([[1, 2]], [0], { train: false })).gradient, undefined);
  });

  it('should refuse wrong options and shapes', () => {
    assert.throws(() => crossEntropy({ labelSmoothing: 1.5 }), {
      message: 'crossEntropy: expected labelSmoothing from 0 to 1, got 1.5. Common values are 0 and 0.1.',
    });
    const program = new ProgramBuilder();
    const logits = program.declare('logits', 'input', [2, 3]);
    const image = program.declare('image', 'input', [2, 1, 1, 3]);
    const targets = program.declare('targets', 'input', [4]);
    const hyper = hyperTensor(program);
    assert.throws(() => crossEntropy().build(program, { logits: image, targets, hyper, train: true }), {
      message: 'crossEntropy: expected logits of shape [N,classes], got [2,1,1,3]. End the graph with a linear layer after a flatten.',
    });
    assert.throws(() => crossEntropy().build(program, { logits, targets, hyper, train: true }), {
      message: 'crossEntropy: expected 2 targets, one a row of the logits [2,3], got [4]. Use one batch size for both.',
    });
  });
});
