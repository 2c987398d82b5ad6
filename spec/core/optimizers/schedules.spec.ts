import assert from 'node:assert/strict';
import { constant, cosine, oneCycle, type Schedule, stepDecay } from '../../../core/optimizers/index.ts';
import { assertClose } from '../ops/finiteDifferences.ts';

const rates = (schedule: Schedule, steps: number) => Array.from({ length: steps }, (_, step) => schedule(step, 0));

// the expected rates were computed with torch 1.13's schedulers
describe('schedules', () => {
  it('should stay constant', () => {
    assert.deepEqual(rates(constant(0.1), 3), [0.1, 0.1, 0.1]);
  });

  it('should decay in steps as StepLR', () => {
    assertClose(rates(stepDecay(0.4, 3, 0.5), 8), [0.4, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1, 0.1]);
  });

  it('should follow a cosine as CosineAnnealingLR, and stay at its end', () => {
    const torch = [0.4, 0.386298315852, 0.347279220614, 0.288883017826, 0.22, 0.151116982174, 0.0927207793864, 0.053701684148, 0.04];
    const schedule = cosine(0.4, 8, { final: 0.04 });
    assertClose(rates(schedule, 9), torch, 1e-11);
    assert.equal(schedule(100, 0), 0.04);
  });

  it('should warm up as LinearLR before CosineAnnealingLR', () => {
    const torch = [0.1, 0.2, 0.3, 0.4, 0.38019377358, 0.324697960372, 0.244504186791, 0.155495813209, 0.0753020396283, 0.0198062264195];
    assertClose(rates(cosine(0.4, 10, { warmup: 3, warmupFactor: 0.25 }), 10), torch, 1e-11);
  });

  it('should rise and fall as OneCycleLR, and stay at its end', () => {
    const torch = [
      0.016, 0.208, 0.4, 0.380193852805, 0.32469826158, 0.244504808775, 0.155496791225, 0.0753033384201, 0.0198077471946, 1.6e-6,
    ];
    assertClose(rates(oneCycle(0.4, 10), 10), torch, 1e-11);
    const half = [0.04, 0.164376941013, 0.365623058987, 0.380213579807, 0.244659682604, 0.0756267375886, 0.0004];
    assertClose(rates(oneCycle(0.4, 7, { warmup: 0.5, div: 10, finalDiv: 100 }), 7), half, 1e-11);
    assertClose([oneCycle(0.4, 10)(50, 0)], [1.6e-6]);
  });

  it('should be finite for the shortest runs', () => {
    for (const schedule of [
      cosine(0.1, 1),
      cosine(0.1, 1, { warmup: 1 }),
      oneCycle(0.1, 1),
      oneCycle(0.1, 2, { warmup: 0 }),
      oneCycle(0.1, 2, { warmup: 1 }),
    ]) {
      for (const rate of rates(schedule, 3)) assert.ok(rate >= 0 && rate <= 0.1, `${rate}`);
    }
  });

  it('should refuse what makes no schedule', () => {
    assert.throws(() => stepDecay(0.1, 0), { message: 'stepDecay: expected a finite every from 1 up, got 0. Change every.' });
    assert.throws(() => cosine(0.1, 5, { warmup: 6 }), { message: 'cosine: expected warmup from 0 to 5, got 6. Change warmup.' });
    assert.throws(() => oneCycle(-1, 5), { message: 'oneCycle: expected a finite max from 0 up, got -1. Change max.' });
    assert.throws(() => constant(Number.POSITIVE_INFINITY), /finite lr/);
  });
});
