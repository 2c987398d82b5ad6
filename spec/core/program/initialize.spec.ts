import assert from 'node:assert/strict';
import { initialize } from '../../../core/program/initialize.ts';

const moments = (values: Float32Array) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, std: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) };
};

describe('initialize', () => {
  const shape = [10, 10, 50, 8];

  it('should depend on seed and name alone @smoke', () => {
    const init = { kind: 'normal', std: 1 } as const;
    const start = initialize('conv1.weight', shape, init, 1);
    assert.deepEqual(initialize('conv1.weight', shape, init, 1), start);
    for (const other of [initialize('conv2.weight', shape, init, 1), initialize('conv1.weight', shape, init, 2)]) {
      const equal = other.filter((value, i) => value === start[i]).length;
      assert.ok(equal < 10, `${equal} of ${other.length} values are the same`);
    }
  });

  it('should give normal values of the wanted deviation', () => {
    const values = initialize('w', shape, { kind: 'normal', std: 0.01 }, 3);
    const { mean, std } = moments(values);
    assert.equal(values.length, 40000);
    assert.ok(Math.abs(mean) < 2e-4, `mean ${mean}`);
    assert.ok(Math.abs(std - 0.01) < 1e-4, `std ${std}`);
    const beyondTwo = values.filter(value => Math.abs(value) > 0.02).length / values.length;
    assert.ok(Math.abs(beyondTwo - 0.0455) < 0.005, `${beyondTwo} beyond two deviations`);
  });

  it('should give uniform values within the bound', () => {
    const values = initialize('w', shape, { kind: 'uniform', bound: 0.5 }, 3);
    const { mean, std } = moments(values);
    assert.ok(values.every(value => value >= -0.5 && value <= 0.5));
    assert.ok(Math.max(...values) > 0.499 && Math.min(...values) < -0.499);
    assert.ok(Math.abs(mean) < 0.01, `mean ${mean}`);
    assert.ok(Math.abs(std - 0.5 / Math.sqrt(3)) < 0.003, `std ${std}`);
  });

  it('should give constants as they are', () => {
    assert.deepEqual(initialize('b', [3], { kind: 'constant', value: 1 }, 9), Float32Array.of(1, 1, 1));
  });
});
