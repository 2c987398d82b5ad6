import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { totalmem } from 'node:os';
import type { Argument, Device, DeviceBuffer, PlacedLaunch } from '../../../core/devices/device.ts';
import { describeWebgpu, openWebgpu } from '../../../core/devices/webgpu/index.ts';
import type { Kernel, KernelThis } from '../../../core/kernels/kernel.ts';
import type { VariantLaunch } from '../../../core/kernels/variant.ts';
import { openNullAdapter } from './nullAdapter.ts';
import { openAnyWebgpu } from './openAnyWebgpu.ts';
import { runKernel } from './runKernel.ts';

const argument = (buffer: DeviceBuffer): Argument => ({ buffer, length: buffer.bytes / 4, dtype: 'f32' });
function placed(kernel: Kernel, inputs: DeviceBuffer[], output: DeviceBuffer): PlacedLaunch {
  const launch = { kernel, inputs: inputs.map(input => input.label), output: output.label };
  return { label: `test ${kernel.name}`, launch, inputs: inputs.map(argument), output: argument(output) };
}

function scaleOf(this: KernelThis, x: Float32Array): number {
  return x[this.thread.x]! * this.constants.by!;
}
const scale = (count: number, by: number): Kernel => ({ name: 'scale', run: scaleOf, threads: [count], floats: { by } });

function descend(this: KernelThis, w: Float32Array, dw: Float32Array): number {
  return w[this.thread.x]! - dw[this.thread.x]! * 0.5;
}

/** Long enough to be under way still when the next call comes. */
function slowSum(this: KernelThis, x: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < this.constants.n!; i++) sum += x[0]! + Math.exp(-sum);
  return sum;
}

describe('openWebgpu', () => {
  let device: Device;
  before(async function () {
    device = await openAnyWebgpu(this);
  });
  after(() => device?.destroy());

  it('should go by the name of what it is @smoke', () => {
    assert.equal(device.kind === 'webgpu:software', /llvmpipe|SwiftShader|Basic Render/i.test(device.description));
    assert.equal(device.language, 'wgsl');
  });

  it('should name the features and limits that variants may use', () => {
    const { features, limits } = device;
    assert.ok(features instanceof Set);
    assert.ok(limits!.workgroupBytes >= 16_384 && limits!.invocations >= 128 && limits!.storageBuffers >= 8 && limits!.groups >= 65_535);
    assert.equal(limits!.subgroup !== undefined, features!.has('subgroups'));
    assert.equal(device.profile !== undefined, features!.has('timestamp-query'));
  });

  it('should time each launch, where it has a clock', async function () {
    if (!device.profile) this.skip();
    const [x, y, z] = ['x', 'y', 'z'].map(name => device.allocate(4096, name));
    const slow: Kernel = { name: 'slow', run: slowSum, threads: [1024], integers: { n: 20_000 } };
    const segment = await device.compile([placed(scale(1024, 3), [x!], y!), placed(slow, [y!], z!), placed(scale(1024, 5), [y!], z!)]);
    device.write(x!, new Float32Array(1024).fill(2));
    const times = await device.profile(segment);
    assert.equal(times.length, 3);
    assert.ok(times[1]! > 10 * times[0]! && times[1]! > 10 * times[2]!, `${times}`);
    assert.equal((await device.read(z!, 4))[0], 30);
    for (const buffer of [x!, y!, z!]) device.free(buffer);
  });

  it('should give back what was written @smoke', async () => {
    const buffer = device.allocate(40, 'x');
    const values = Float32Array.from({ length: 10 }, (_, i) => i - 4.5);
    device.write(buffer, values);
    device.write(buffer, new Float32Array([7, 8]), 8);
    assert.deepEqual([...(await device.read(buffer, 40))], [-4.5, -3.5, 7, 8, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5]);
    assert.deepEqual([...(await device.read(buffer, 8, 8))], [7, 8]);
    device.free(buffer);
  });

  it('should start buffers at zero', async () => {
    const buffer = device.allocate(400, 'x');
    assert.deepEqual(await device.read(buffer, 400), new Float32Array(100));
    device.free(buffer);
  });

  it('should copy shared memory before the driver sees it, in pieces and with odd lengths', async () => {
    for (const length of [1, 3, 4, 5, 1023, (4 << 20) + 5]) {
      const bytes = new Uint8Array(new SharedArrayBuffer(length + 3), 3).map((_, i) => i * 31 + (i >> 8));
      const shared = new Uint8Array(new SharedArrayBuffer(length + 3), 3);
      shared.set(bytes);
      const buffer = device.allocate(length, 'pixels');
      device.write(buffer, shared);
      const read = new Uint8Array((await device.read(buffer, length & ~3)).buffer);
      assert.deepEqual(Buffer.compare(read, bytes.subarray(0, length & ~3)), 0, `length ${length}`);
      device.free(buffer);
    }
  });

  it('should write byte arrays whose length is no multiple of 4', async () => {
    const kernel: Kernel = {
      name: 'bytes',
      run: function (this: KernelThis, x: Float32Array) {
        return x[this.thread.x]!;
      },
      threads: [7],
    };
    const bytes = Uint8Array.from([1, 2, 3, 250, 251, 252, 253]);
    assert.deepEqual([...(await runKernel(device, kernel, [bytes], 7))], [...bytes]);
  });

  it('should let one launch read what the one before it wrote', async () => {
    const [x, y, z] = ['x', 'y', 'z'].map(name => device.allocate(4000, name));
    const segment = await device.compile([placed(scale(1000, 3), [x!], y!), placed(scale(1000, 5), [y!], z!)]);
    assert.equal(segment.launches, 2);
    device.write(x!, new Float32Array(1000).fill(2));
    const first = device.run(segment);
    // in the order of the calls: this write is for the second run alone
    device.write(x!, new Float32Array(1000).fill(1));
    const [before] = await Promise.all([device.read(z!, 4000), first]);
    await device.run(segment);
    const after = await device.read(z!, 4000);
    assert.deepEqual([before[0], before[999], after[0], after[999]], [30, 30, 15, 15]);
    for (const buffer of [x!, y!, z!]) device.free(buffer);
  });

  it('should send large arrays in the order of the calls, however many are on their way', async () => {
    const count = (5 << 20) / 4 + 1;
    const [x, y] = [device.allocate(4 * count, 'x'), device.allocate(4 * count, 'y')];
    const segment = await device.compile([placed(scale(count, 2), [x], y)]);
    const reads: Promise<Float32Array>[] = [];
    const sent = new Float32Array(count);
    for (let round = 1; round <= 8; round++) {
      // the caller may change the array as soon as it is written
      device.write(x, sent.fill(round));
      await device.run(segment);
      reads.push(device.read(y, 8, 4 * count - 8));
    }
    const last = await Promise.all(reads);
    assert.deepEqual(
      last.map(values => [...values]),
      Array.from({ length: 8 }, (_, i) => [2 * i + 2, 2 * i + 2]),
    );
    device.free(x);
    device.free(y);
  });

  it('should update in place', async () => {
    const [w, dw] = [device.allocate(400, 'w'), device.allocate(400, 'dw')];
    device.write(w, new Float32Array(100).fill(8));
    device.write(dw, new Float32Array(100).fill(2));
    const kernel: Kernel = { name: 'descend', run: descend, threads: [100], inout: 'w' };
    const segment = await device.compile([placed(kernel, [w, dw], w)]);
    for (let step = 0; step < 3; step++) await device.run(segment);
    assert.deepEqual(await device.read(w, 400), new Float32Array(100).fill(5));
    device.free(w);
    device.free(dw);
  });

  it('should run 2,000 times without growing', async function () {
    this.timeout(60_000);
    const [x, y] = [device.allocate(256, 'x'), device.allocate(256, 'y')];
    const segment = await device.compile([placed(scale(64, 1), [x], y), placed(scale(64, 2), [y], x)]);
    const { allocatedBytes } = device;
    const values = new Float32Array(new SharedArrayBuffer(256));
    const steps = async (count: number) => {
      for (let step = 0; step < count; step++) {
        device.write(x, values);
        await device.run(segment);
        if (step % 4 === 0) await device.read(y, 256);
      }
      globalThis.gc?.();
      return process.memoryUsage().rss;
    };
    await steps(300);
    const early = await steps(200);
    const late = await steps(1500);
    assert.equal(device.allocatedBytes, allocatedBytes);
    assert.ok(late < early * 1.1 + 8e6, `${early} bytes after 500 runs, ${late} after 2,000`);
  });

  it('should count the bytes of its buffers', () => {
    const start = device.allocatedBytes;
    const buffer = device.allocate(10, 'x');
    assert.equal(buffer.bytes, 10);
    assert.equal(device.allocatedBytes, start + 12);
    device.free(buffer);
    device.free(buffer);
    assert.equal(device.allocatedBytes, start);
  });

  it('should name the tensor and the limit when not even a buffer is large enough', () => {
    assert.throws(
      () => device.allocate(2 ** 50, 'layer1.conv1.weight'),
      /^MillraceError: tensor "layer1\.conv1\.weight": expected at most \d+ bytes \(maxBufferSize of .+\), got 1125899906842624\. Use a smaller batch/,
    );
  });

  it('should refuse what is more than there is in all, of a software adapter the memory of the machine', async function () {
    if (device.kind !== 'webgpu:software') this.skip();
    assert.ok(device.memory!.total! > 0 && device.memory!.total! < totalmem());
    const small = await openWebgpu({ software: true, mostBytes: 4096 });
    small.allocate(4000, 'x');
    assert.throws(
      () => small.allocate(200, 'layer1.conv1.weight'),
      /^MillraceError: tensor "layer1\.conv1\.weight": expected at most 96 bytes \(what is left for .+\), got 200\. Use a smaller batch or image size\.$/,
    );
    await small.destroy();
  });

  it('should take a tensor larger than one binding, up to the largest buffer', async function () {
    const bytes = device.largestBinding! + 1024;
    // hardware binds gigabytes at once: too much to ask of the machine's memory here
    if (bytes > 1 << 28) this.skip();
    const buffer = device.allocate(bytes, 'classifier.1.weight');
    device.write(buffer, new Float32Array([1, 2]), bytes - 8);
    assert.deepEqual([...(await device.read(buffer, 12, bytes - 12))], [0, 1, 2]);
    device.free(buffer);
  });

  it('should refuse an array that does not lie in its buffer', async () => {
    const [x, y] = [device.allocate(16, 'x'), device.allocate(16, 'y')];
    const plain = placed(scale(4, 1), [x], y);
    await assert.rejects(
      device.compile([{ ...plain, inputs: [{ buffer: x, length: 5, dtype: 'f32' }] }]),
      /^MillraceError: test scale, tensor "x": expected an array inside its 16 bytes, got 20 bytes\. Place it in a larger buffer\.$/,
    );
    device.free(x);
    device.free(y);
  });

  it('should name the launch and the line when a variant does not compile', async () => {
    const [x, y] = [device.allocate(4, 'x'), device.allocate(4, 'y')];
    const plain = placed(scale(1, 1), [x], y);
    const body = {
      language: 'wgsl',
      workgroup: [1, 1, 1],
      groups: [1, 1, 1],
      arrays: [
        { name: 'user_x', element: 'f32' },
        { name: 'result', element: 'f32' },
      ],
      source: '@compute @workgroup_size(1) fn main() { result[0] = user_z[0]; }',
    } as const;
    const launch: VariantLaunch = { ...plain.launch, body };
    await assert.rejects(
      device.compile([{ ...plain, launch }]),
      /^MillraceError: test scale: expected WGSL that compiles, got unresolved value 'user_z' in line \d+: @compute @workgroup_size\(1\) fn main\(\) .*\. Check the kernel or its variant/,
    );
    await assert.rejects(
      device.compile([{ ...plain, launch: { ...launch, body: { ...body, workgroup: [64, 64, 1] } } }]),
      /test scale, variant of kernel "scale": expected workgroups of at most \d+ \(this adapter's limit\), got 4096/,
    );
    device.free(x);
    device.free(y);
  });

  it('should refuse an output that is also an input, ranges outside a buffer, and what is not its own', async () => {
    const [x, y] = [device.allocate(16, 'x'), device.allocate(16, 'y')];
    await assert.rejects(
      device.compile([placed(scale(4, 1), [x], x)]),
      /test scale: expected an output that is none of the inputs, got tensor "x" as both/,
    );
    assert.throws(
      () => device.write(x, new Float32Array(5)),
      /write of tensor "x": expected a range inside its 16 bytes, got 20 bytes at 0/,
    );
    assert.throws(() => device.write(x, new Float32Array(1), 2), /expected an offset that is a multiple of 4, got 4 bytes at 2/);
    assert.throws(() => device.write(x, new Uint8Array(3)), /expected a length that is a multiple of 4, or data up to the end/);
    await assert.rejects(device.read(x, 6), /read of tensor "x": expected a length that is a multiple of 4, got 6 bytes at 0/);
    device.free(y);
    assert.throws(() => device.write(y, new Float32Array(4)), /tensor "y": expected a buffer of this device, got a freed one/);
    await assert.rejects(device.run({ launches: 1 }), /expected a segment that this device compiled/);
    device.free(x);
  });

  it('should be destroyed while work is under way, twice, and say so afterwards', async () => {
    const other = await openWebgpu({ software: device.kind === 'webgpu:software' });
    const [x, y] = [other.allocate(4, 'x'), other.allocate(4096, 'y')];
    const segment = await other.compile([placed({ name: 'slow', run: slowSum, threads: [1024], integers: { n: 20_000 } }, [x], y)]);
    const run = other.run(segment);
    const read = assert.rejects(other.read(y, 4096), /webgpu(:software)?: expected an open device, got one that was destroyed/);
    await Promise.all([other.destroy(), other.destroy()]);
    await run;
    await read;
    assert.equal(other.allocatedBytes, 0);
    assert.throws(() => other.allocate(4, 'x'), /expected an open device, got one that was destroyed\. Open a new one/);
    await assert.rejects(other.run(segment), /expected an open device/);
  });

  it('should pass on what the driver reports later, by `lost` and by the calls that follow', async function () {
    // a hardware adapter runs without the driver's checks
    if (device.kind !== 'webgpu:software') this.skip();
    const other = await openWebgpu({ software: true });
    const [x, y] = [other.allocate(16, 'x'), other.allocate(16, 'y')];
    const segment = await other.compile([placed(scale(4, 1), [x], y)]);
    other.free(x);
    await other.run(segment);
    const message =
      /^MillraceError: webgpu:software: expected every launch to run, got \[Buffer "x"\] used in submit while destroyed\. While .+\. Report this with the plan that caused it\.$/;
    await assert.rejects(other.lost, message);
    await assert.rejects(other.run(segment), message);
    await assert.rejects(other.read(y, 16), message);
    await other.destroy();
  });

  it('should let the process end by itself', function () {
    this.timeout(30_000);
    const path = new URL('../../../core/devices/webgpu/index.ts', import.meta.url);
    const program = `const { openWebgpu } = await import(${JSON.stringify(path.href)}); const device = await openWebgpu({ software: ${device.kind === 'webgpu:software'} });
      device.write(device.allocate(8, 'x'), new Float32Array(2)); if (process.argv[1] === 'destroy') await device.destroy();`;
    for (const end of ['destroy', 'leave']) {
      const { status, signal, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, end], {
        timeout: 15_000,
        encoding: 'utf8',
      });
      assert.deepEqual([status, signal], [0, null], stderr);
    }
  });
});

describe('deviceOn', () => {
  it('should ask for every feature that variants use, and time more launches than a query set holds', async () => {
    const { device } = await openNullAdapter();
    for (const name of ['timestamp-query', 'shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'])
      assert.ok(device.features!.has(name), name);
    const [x, y] = [device.allocate(4, 'x'), device.allocate(4, 'y')];
    const segment = await device.compile(Array.from({ length: 2100 }, () => placed(scale(1, 1), [x], y)));
    const times = await device.profile!(segment);
    assert.equal(times.length, 2100);
    await device.destroy();
  });
});

describe('Uploader', () => {
  it('should keep three staging buffers for large arrays, and go on without when the device has all of them', async () => {
    const { device, gpu } = await openNullAdapter();
    const sizes: number[] = [];
    const createBuffer = gpu.createBuffer.bind(gpu);
    gpu.createBuffer = descriptor => {
      if (descriptor.label === 'upload') sizes.push(descriptor.size);
      return createBuffer(descriptor);
    };
    const buffer = device.allocate(6 << 20, 'x');
    const write = (bytes: number) => device.write(buffer, new Uint8Array(bytes));
    for (let i = 0; i < 5; i++) write(2 << 20);
    assert.deepEqual(sizes, [2 << 20, 2 << 20, 2 << 20]);
    const settled = () => device.read(buffer, 4);
    for (let i = 0; i < 5; i++) {
      await settled();
      write(2 << 20);
      write(1000);
    }
    assert.equal(sizes.length, 3);
    await settled();
    write(6 << 20);
    assert.deepEqual(sizes.slice(3), [6 << 20]);
    await device.destroy();
  });
});

describe('describeWebgpu', () => {
  it('should say what there is, or why there is nothing', async () => {
    const { hardware, software } = await describeWebgpu();
    for (const report of [hardware, software]) {
      if (report.available) assert.equal(report.reason, undefined);
      else assert.match(report.reason!, /(Install|Use) /);
      assert.ok(report.description.length > 3);
    }
  });

  it('should refuse a software adapter under the name of a hardware one', async function () {
    const { hardware } = await describeWebgpu();
    if (hardware.available) this.skip();
    await assert.rejects(
      openWebgpu({ software: false }),
      /^MillraceError: device "webgpu": expected a hardware adapter, got .+(Install|Use --device)/,
    );
  });
});
