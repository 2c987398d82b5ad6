import assert from 'node:assert/strict';
import { beta, hash, normals, purpose, uniforms } from '../../core/random.ts';

const COUNT = 20_000;
const take = (next: () => number, count = COUNT) => Array.from({ length: count }, next);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const correlation = (a: readonly number[], b: readonly number[]) => {
  const [ma, mb] = [mean(a), mean(b)];
  const deviation = (values: readonly number[], m: number) => Math.sqrt(mean(values.map(value => (value - m) ** 2)));
  return mean(a.map((value, i) => (value - ma) * (b[i]! - mb))) / (deviation(a, ma) * deviation(b, mb));
};
/** Chi-squared of 64 equal bins: 63 on average, above 120 once in 50,000 times. */
function unevenness(values: readonly number[]): number {
  const bins = new Array<number>(64).fill(0);
  for (const value of values) bins[Math.floor(value * 64)]!++;
  const expected = values.length / 64;
  return bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('hash', () => {
  it('should give the values that it always gave: runs are replayed by them @smoke', () => {
    assert.deepEqual([hash(), hash(0), hash(1), hash(1, 2, 3), hash(-1)], [3954623016, 2754643151, 3316553990, 288386091, 3535402747]);
    const next = uniforms(1, 2, 3);
    assert.deepEqual(
      take(next, 4).map(value => value * 2 ** 32),
      [923364383, 94853639, 2142564897, 1383011125],
    );
    const [a, b, c] = take(normals(1, 2, 3), 3) as [number, number, number];
    assert.ok(
      Math.abs(a - 0.6890931376854287) < 1e-12 && Math.abs(b + 0.5138633717639003) < 1e-12 && Math.abs(c + 0.05350093165235068) < 1e-12,
    );
  });

  it('should give unsigned 32-bit integers, evenly, for counters in a row', () => {
    const row = (of: (i: number) => number) => Array.from({ length: COUNT }, (_, i) => of(i));
    for (const values of [row(i => hash(i)), row(i => hash(7, i, 2)), row(i => hash(i, 0, 0, 5))]) {
      assert.ok(values.every(value => Number.isInteger(value) && value >= 0 && value < 2 ** 32));
      assert.ok(unevenness(values.map(value => value / 2 ** 32)) < 120);
    }
  });

  it('should depend on every counter, on their order and on how many there are', () => {
    const values = new Set([hash(1, 2), hash(2, 1), hash(1, 2, 0), hash(0, 1, 2), hash(1), hash(1, 3), hash(12)]);
    assert.equal(values.size, 7);
  });

  it('should flip half of the bits when one bit of a counter flips', () => {
    const bits = (value: number) => value.toString(2).replaceAll('0', '').length;
    for (let bit = 0; bit < 32; bit++) {
      const flipped = mean(Array.from({ length: 500 }, (_, i) => bits((hash(i, 3) ^ hash(i ^ (1 << bit), 3)) >>> 0)));
      assert.ok(flipped > 15 && flipped < 17, `bit ${bit}: ${flipped}`);
    }
  });
});

describe('uniforms', () => {
  it('should be even in [0, 1), for any counters', () => {
    for (const counters of [[0], [1, 2, 3], [-1, 0], [2 ** 31 - 1, 5]]) {
      const values = take(uniforms(...counters));
      assert.ok(values.every(value => value >= 0 && value < 1));
      assert.ok(Math.abs(mean(values) - 0.5) < 0.01 && unevenness(values) < 120, `${counters}: ${unevenness(values)}`);
    }
  });

  it('should not tell the next number from the last', () => {
    const values = take(uniforms(9));
    for (const lag of [1, 2, 3, 7]) assert.ok(Math.abs(correlation(values.slice(lag), values.slice(0, -lag))) < 0.03, `lag ${lag}`);
  });

  it('should repeat, and be another stream for every purpose, seed and index', () => {
    const stream = (...counters: number[]) => take(uniforms(...counters), 5000);
    assert.deepEqual(stream(1, 2, purpose.init), stream(1, 2, purpose.init));
    const purposes = Object.values(purpose);
    assert.equal(new Set(purposes).size, purposes.length);
    const streams = [...purposes.map(each => stream(1, 2, each)), stream(2, 2, 1), stream(1, 3, 1)];
    for (const [i, a] of streams.entries())
      for (const b of streams.slice(i + 1)) assert.ok(Math.abs(correlation(a, b)) < 0.06, `streams ${i} and ${streams.indexOf(b)}`);
  });
});

describe('beta', () => {
  it('should have the mean and the deviation of Beta(alpha, alpha), for alphas below and above 1', () => {
    for (const alpha of [0.2, 1, 2.5]) {
      const next = uniforms(6, alpha * 10);
      const values = Array.from({ length: 20000 }, () => beta(alpha, next));
      const m = mean(values);
      const deviation = Math.sqrt(mean(values.map(value => (value - m) ** 2)));
      assert.ok(values.every(value => value >= 0 && value <= 1));
      assert.ok(Math.abs(m - 0.5) < 0.01 && Math.abs(deviation - Math.sqrt(1 / (8 * alpha + 4))) < 0.01, `${alpha}: ${m}, ${deviation}`);
    }
    assert.ok([0, 1].includes(beta(1e-9, uniforms(1))));
  });
});

describe('normals', () => {
  it('should have mean 0, deviation 1 and the tails of a normal distribution', () => {
    const values = take(normals(4, 2));
    const m = mean(values);
    const deviation = Math.sqrt(mean(values.map(value => (value - m) ** 2)));
    assert.ok(Math.abs(m) < 0.025 && Math.abs(deviation - 1) < 0.02, `${m}, ${deviation}`);
    const beyond = (limit: number) => values.filter(value => Math.abs(value) > limit).length / COUNT;
    assert.ok(Math.abs(beyond(1) - 0.3173) < 0.015 && Math.abs(beyond(2) - 0.0455) < 0.006, `${beyond(1)}, ${beyond(2)}`);
    assert.ok(values.every(Number.isFinite));
  });
});
