import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { parameters } from '../../../core/graph/summary.ts';
import { adam, sgd } from '../../../core/optimizers/index.ts';
import { compile } from '../../../core/training/compiledModel.ts';
import { model } from '../../../models/index.ts';
import { openNullAdapter } from '../devices/nullAdapter.ts';

/** A device that may have less memory than it has. */
function limited(device: Device, memory: Device['memory']): Device {
  const bounded = Object.create(device) as Device;
  const before = device.allocatedBytes;
  Object.defineProperties(bounded, {
    memory: { value: memory },
    allocate: {
      value: (bytes: number, label: string) => {
        const { total = Number.POSITIVE_INFINITY, buffer = Number.POSITIVE_INFINITY } = memory ?? {};
        if (device.allocatedBytes - before + bytes > total || bytes > buffer) return device.allocate(2 ** 40, label);
        return device.allocate(bytes, label);
      },
    },
  });
  return new Proxy(bounded, {
    get(target, name) {
      const own = Object.getOwnPropertyDescriptor(target, name);
      const value = own ? own.value : Reflect.get(device, name, device);
      return typeof value === 'function' && !own ? value.bind(device) : value;
    },
  });
}

describe('a model that does not fit', () => {
  let device: Device;
  before(async () => {
    device = await openWasm({ threads: 1 });
  });
  after(() => device?.destroy());
  const tiny = () => model('tiny');
  const failure = async (memory: Device['memory'], batch: number) => {
    const placed = compile(tiny(), { device: limited(device, memory), batch });
    try {
      await placed.ready('train');
      return assert.fail('it fits');
    } catch (error) {
      return (error as Error).message;
    } finally {
      await placed.destroy();
    }
  };

  it('should say how many bytes of what it needs, and which batch would fit: that one does, and the next does not', async () => {
    const total = 3 * 2 ** 20;
    const message = await failure({ total }, 4096);
    const match =
      /^model "tiny", batch 4096: expected at most 3 MiB in all \(wasm, 1 thread, .*\), got a need of (\S+) MiB: \S+ MiB for weights, gradients and momentum, (\S+) MiB for activations, \S+ MiB for kernels\. A batch of (\d+) would fit\.$/.exec(
        message,
      );
    assert.ok(match, message);
    assert.ok(Number(match[1]) > 3 && Number(match[2]) > 1);
    const batch = Number(match[3]);
    assert.ok(batch > 1 && batch < 4096);
    const fits = compile(tiny(), { device: limited(device, { total }), batch });
    await fits.plans('train', sgd({ lr: 0.1, momentum: 0.9 }));
    await fits.destroy();
    assert.match(await failure({ total }, 2 * batch), /A batch of \d+ would fit\./);
  });

  it('should say the same where what an optimizer keeps is too much, and name that', async () => {
    // large enough for the threads' scratch, which does not grow with it, to leave room for a smaller one
    const batch = 1024;
    const placed = compile(tiny(), { device, batch });
    const before = device.allocatedBytes;
    await placed.ready('train');
    const total = device.allocatedBytes - before + 4 * parameters(tiny());
    await placed.destroy();
    const short = compile(tiny(), { device: limited(device, { total: total + 4096 }), batch });
    await short.ready('train');
    await assert.rejects(
      short.plans('train', adam({ lr: 0.1 })),
      /^MillraceError: model "tiny", batch 1024: .* for weights, gradients, firstMoment and secondMoment, .* A batch of \d{3} would fit\.$/,
    );
    await short.destroy();
  });

  it('should name the largest buffer where one may not be as large', async () => {
    assert.match(
      await failure({ buffer: 2 ** 19 }, 1024),
      /^model "tiny", batch 1024: expected at most 0\.5 MiB in one buffer \(.*\), got \S+ MiB for "\S.*"; .* A batch of \d+ would fit\.$/,
    );
  });

  it('should say so when no batch fits', async () => {
    // the weights fit, their gradients do not
    const total = 1.5 * 4 * parameters(tiny()) + 2 ** 12;
    assert.match(await failure({ total }, 4), /No batch would fit: use a smaller model or smaller images\.$/);
  });

  it('should learn from a GPU how much it gives', async () => {
    // Dawn's null adapter gives 512 MiB
    const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
    const withBatch = async (batch: number) => {
      const { device: nothing } = await openNullAdapter();
      const placed = compile(model('resnet8'), { device: nothing, batch });
      try {
        await placed.plans('train', optimizer);
      } finally {
        await placed.destroy();
        await nothing.destroy();
      }
    };
    const message = await withBatch(2000).then(
      () => assert.fail('it fits'),
      (error: Error) => error.message,
    );
    const match =
      /^model "resnet8", batch 2000: expected at most \d+ MiB in all \(null adapter\), got a need of \S+ GiB: .* for activations\. A batch of (\d+) would fit\.$/.exec(
        message,
      );
    assert.ok(match, message);
    await withBatch(Number(match[1]));
  });

  it('should leave other errors of the device as they are', async () => {
    const broken = new Proxy(limited(device, {}), {
      get: (target, name) => (name === 'compile' ? () => Promise.reject(new Error('no compiler')) : Reflect.get(target, name)),
    });
    const placed = compile(tiny(), { device: broken, batch: 2 });
    await assert.rejects(placed.ready('train'), /^Error: no compiler$/);
    await placed.destroy();
  });
});
