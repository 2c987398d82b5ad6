import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { compile } from '../../../core/training/compiledModel.ts';
import { checkMixed } from '../../../core/training/precision.ts';
import { tiny } from '../../../models/tiny.ts';
import { millrace, small } from '../../pipelines/toy.ts';

const features = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];
const matrix = { componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16 };
const gpu = (offers: readonly string[], subgroupMatrices: readonly object[]) =>
  ({ description: 'a GPU', features: new Set(offers), limits: { subgroupMatrices } }) as unknown as Device;

describe("precision 'mixed'", () => {
  it('should be taken where the device has 16-bit matrices that are added up in 32 bits, and refused with the reason elsewhere @smoke', () => {
    checkMixed(gpu(features, [{ ...matrix, resultComponentType: 'f16' }, matrix]));
    assert.throws(
      () => checkMixed(gpu(features.slice(1), [matrix])),
      /^MillraceError: precision "mixed": expected a GPU that multiplies 16-bit matrices, .+, got a GPU, without shader-f16\. Leave the precision out/,
    );
    assert.throws(
      () => checkMixed(gpu(features, [{ ...matrix, resultComponentType: 'f16' }])),
      /got a GPU, without matrices of f16 that are added up in f32\. Leave/,
    );
  });

  it('should scale the loss, and leave no memory behind where it is refused', async () => {
    const wasm = await openWasm({ threads: 1 });
    assert.throws(() => compile(tiny(), { device: wasm, batch: 2, precision: 'mixed' }), /got wasm, 1 thread, .+, without shader-f16/);
    assert.equal(wasm.allocatedBytes, 0);
    const able = new Proxy(wasm, {
      get(target, name) {
        if (name === 'features' || name === 'limits') return gpu(features, [matrix])[name];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const model = compile(tiny(), { device: able, batch: 2, precision: 'mixed' });
    assert.equal(model.lossScale!.scale, 65_536);
    assert.equal(compile(tiny(), { device: wasm, batch: 2 }).lossScale, undefined);
    await wasm.destroy();
  });

  it('should be refused by the command line with the reason', async () => {
    const train = await millrace('train', ...small, '--precision', 'mixed');
    assert.equal(train.status, 1);
    assert.match(train.stderr, /^millrace: precision "mixed": expected a GPU that multiplies 16-bit matrices/m);
    const bench = await millrace('bench', 'step', '--model', 'tiny', '--batch', '2', '--device', 'cpu', '--precision', 'mixed');
    assert.match(bench.stderr, /without shader-f16, subgroups, chromium-experimental-subgroup-matrix/);
  });
});
