import assert from 'node:assert/strict';
import type { Device } from '../../../core/devices/device.ts';
import type { Kernel, KernelThis, Quad } from '../../../core/kernels/kernel.ts';
import { everyDevice } from './everyDevice.ts';
import { descend, placed, scale, slow } from './kernels.ts';
import { runKernel } from './runKernel.ts';

const one = new Float32Array([1]);
const range = (count: number, value = (i: number) => i) => Float32Array.from({ length: count }, (_, i) => value(i));

/** Element i is i + x[0], on threads of any shape. */
function place(this: KernelThis, x: Float32Array): number {
  return (this.thread.z * this.constants.Y! + this.thread.y) * this.constants.X! + this.thread.x + x[0]!;
}
function placeRows(this: KernelThis, x: Float32Array): Quad {
  const first = (this.thread.z * this.constants.rows! + this.thread.y * 4) * this.constants.X! + this.thread.x;
  return [first + x[0]!, first + this.constants.X! + x[0]!, first + 2 * this.constants.X! + x[0]!, first + 3 * this.constants.X! + x[0]!];
}
/** Whether i is odd, for i beyond what a float holds exactly. */
function odd(this: KernelThis, x: Float32Array): number {
  const i = this.thread.x + this.constants.far!;
  const rest = i - 2 * Math.floor(i / 2);
  return x[0]! + rest;
}
/** Quotient in two parts that floats hold: its low ten bits for y = 0, the rest for y = 1. */
function quotient(this: KernelThis, x: Float32Array): number {
  const i = (this.thread.x - 50) * this.constants.step!;
  const q = Math.floor(i / this.constants.by!);
  const high = Math.floor(q / 1024);
  const part = this.thread.y * high + (1 - this.thread.y) * (q - 1024 * high);
  return part + x[0]!;
}
/** Reads at clamped places; `far` makes floats of them show. */
function clamped(this: KernelThis, x: Float32Array): number {
  const low = Math.max(this.thread.x - 2 + this.constants.far!, this.constants.far!);
  const both = Math.min(low, this.constants.far! + this.constants.last!);
  return x[both - this.constants.far!]!;
}
function bytesOf(this: KernelThis, pixels: Float32Array, scales: Float32Array): number {
  return pixels[this.thread.x]! * scales[0]!;
}
/** Bytes read in an order that four lanes cannot load at once. */
function everyThird(this: KernelThis, pixels: Float32Array): number {
  return pixels[this.thread.x * 3 + 1]!;
}
function copy(this: KernelThis, x: Float32Array): number {
  return x[this.thread.x]!;
}

for (const { name, open } of everyDevice) {
  describe(`Device: ${name}`, () => {
    let device: Device;
    before(async function () {
      device = await open(this);
    });
    after(() => device?.destroy());
    beforeEach(() => assert.equal(device.allocatedBytes, 0));
    afterEach(() => assert.equal(device?.allocatedBytes ?? 0, 0));

    it('should do writes, runs and reads in the order of the calls, awaited or not @smoke', async () => {
      const [x, y, z] = ['x', 'y', 'z'].map(label => device.allocate(4000, label)) as [never, never, never];
      const segment = await device.compile([placed(scale(1000, 3), [x], y), placed(scale(1000, 5), [y], z)]);
      assert.equal(segment.launches, 2);
      const results: Promise<Float32Array>[] = [];
      const runs: Promise<void>[] = [];
      for (const value of [1, 2, 3]) {
        const data = new Float32Array(1000).fill(value);
        device.write(x, data);
        runs.push(device.run(segment));
        // a write is a copy: what the caller does with its array afterwards is its own affair
        data.fill(-1);
        results.push(device.read(z, 4000));
      }
      await Promise.all(runs);
      const values = await Promise.all(results);
      assert.deepEqual(
        values.map(value => [value[0], value[999]]),
        [15, 30, 45].map(value => [value, value]),
      );
      for (const buffer of [x, y, z]) device.free(buffer);
    });

    it('should take a slice of a buffer for a buffer, and a slice of that', async () => {
      const [whole, other] = [device.allocate(4096, 'whole'), device.allocate(4096, 'other')];
      const taken = device.allocatedBytes;
      const part = device.slice(whole, 1024, 2048, 'part');
      const [input, output] = [device.slice(part, 256, 400, 'input'), device.slice(other, 512, 400, 'output')];
      assert.deepEqual([part.bytes, part.label, device.allocatedBytes], [2048, 'part', taken]);
      device.write(whole, range(1024));
      device.write(input, new Float32Array([-1, -2]), 4);
      await device.run(await device.compile([placed(scale(100, 3), [input as never], output as never)]));
      assert.deepEqual([...(await device.read(whole, 16, 1280))], [320, -1, -2, 323]);
      assert.deepEqual([...(await device.read(part, 8, 260))], [-1, -2]);
      assert.deepEqual([...(await device.read(output, 16))], [960, -3, -6, 969]);
      assert.deepEqual([...(await device.read(other, 12, 508))], [0, 960, -3]);
      assert.deepEqual([...(await device.read(other, 12, 904))], [418 * 3, 419 * 3, 0]);
      // freeing it frees nothing; freeing its buffer ends it
      device.free(part);
      assert.equal((await device.read(input, 4))[0], 320);
      device.free(whole);
      assert.throws(() => device.write(input, one), /tensor "input": expected a buffer of this device, got a freed one/);
      device.free(other);
    });

    it('should refuse slices outside their buffer or between the places for them, and launches that overlap', async () => {
      const buffer = device.allocate(4096, 'x');
      const message = (size: number, got: string) =>
        `slice of tensor "x": expected a range inside its ${size} bytes that begins at a multiple of 256, got ${got}. Align what is placed in it.`;
      for (const [offset, bytes] of [
        [4, 8],
        [-256, 512],
        [3840, 257],
        [0, 0],
      ] as const) {
        assert.throws(() => device.slice(buffer, offset, bytes, 'part'), { message: message(4096, `${bytes} bytes at ${offset}`) });
      }
      const [a, b] = [device.slice(buffer, 0, 512, 'a'), device.slice(buffer, 256, 512, 'b')] as [never, never];
      await assert.rejects(
        device.compile([placed(scale(100, 3), [a], b)]),
        /expected an output that is none of the inputs, got tensor "b" as both/,
      );
      device.free(buffer);
    });

    it('should write and read at offsets, and start buffers at zero', async () => {
      const buffer = device.allocate(40, 'x');
      assert.deepEqual(await device.read(buffer, 40), new Float32Array(10));
      device.write(buffer, range(10));
      device.write(buffer, new Float32Array([70, 80]), 8);
      assert.deepEqual([...(await device.read(buffer, 40))], [0, 1, 70, 80, 4, 5, 6, 7, 8, 9]);
      assert.deepEqual([...(await device.read(buffer, 8, 12))], [80, 4]);
      device.free(buffer);
    });

    it('should take views of larger arrays and of shared memory', async () => {
      const buffer = device.allocate(16, 'x');
      const shared = new Float32Array(new SharedArrayBuffer(64), 8, 4);
      shared.set([1, 2, 3, 4]);
      device.write(buffer, shared);
      assert.deepEqual([...(await device.read(buffer, 16))], [1, 2, 3, 4]);
      device.write(buffer, range(10).subarray(5, 9));
      assert.deepEqual([...(await device.read(buffer, 16))], [5, 6, 7, 8]);
      device.free(buffer);
    });

    for (const count of [1, 3, 4, 5, 1023, 1024, 1025, 4099]) {
      it(`should run ${count} threads in one dimension, and no more`, async () => {
        const kernel: Kernel = { name: 'place', run: place, threads: [count], integers: { X: count, Y: 1 } };
        assert.deepEqual(await runKernel(device, kernel, [one], count + 1), Float32Array.from([...range(count, i => i + 1), 0]));
      });
    }

    for (const threads of [
      [5, 3],
      [1, 7, 2],
      [6, 5, 4],
      [4, 1, 1],
    ] as const) {
      it(`should store [${threads}] threads row-major with x fastest`, async () => {
        const [X, Y, Z = 1] = threads;
        const kernel: Kernel = { name: 'place', run: place, threads, integers: { X, Y } };
        assert.deepEqual(
          await runKernel(device, kernel, [one], X * Y * Z),
          range(X * Y * Z, i => i + 1),
        );
      });
    }

    for (const rows of [1, 4, 7, 10]) {
      it(`should store four rows a thread, of ${rows}`, async () => {
        const [X, Z] = [5, 3];
        const kernel: Kernel = { name: 'placeRows', run: placeRows, threads: [X, Math.ceil(rows / 4), Z], rows, integers: { X, rows } };
        const count = X * rows * Z;
        // the element behind the last shows that nothing was stored there
        assert.deepEqual(await runKernel(device, kernel, [one], count + 1), Float32Array.from([...range(count, i => i + 1), 0]));
      });
    }

    it('should read bytes, at neighbouring places and others', async () => {
      const pixels = Uint8Array.from({ length: 259 }, (_, i) => (i * 89) % 256);
      const half: Kernel = { name: 'bytes', run: bytesOf, threads: [259] };
      assert.deepEqual(
        await runKernel(device, half, [pixels, new Float32Array([0.5])], 259),
        Float32Array.from(pixels, pixel => pixel / 2),
      );
      const third: Kernel = { name: 'third', run: everyThird, threads: [86] };
      assert.deepEqual(
        await runKernel(device, third, [pixels], 86),
        range(86, i => pixels[3 * i + 1]!),
      );
    });

    it('should run the same function on bytes and on floats', async () => {
      const kernel: Kernel = { name: 'copy', run: copy, threads: [5] };
      assert.deepEqual([...(await runKernel(device, kernel, [Uint8Array.of(1, 2, 3, 250, 255)], 5))], [1, 2, 3, 250, 255]);
      assert.deepEqual([...(await runKernel(device, kernel, [Float32Array.of(0.5, -2, 3, 1e9, 4)], 5))], [0.5, -2, 3, 1e9, 4]);
      // and on arrays of another length
      assert.deepEqual([...(await runKernel(device, kernel, [range(9)], 5))], [0, 1, 2, 3, 4]);
    });

    it('should update in place', async () => {
      const [w, dw] = [device.allocate(404, 'w'), device.allocate(404, 'dw')];
      device.write(w, new Float32Array(101).fill(8));
      device.write(dw, new Float32Array(101).fill(2));
      const segment = await device.compile([placed(descend(101), [w, dw], w)]);
      for (let step = 0; step < 3; step++) void device.run(segment);
      assert.deepEqual(await device.read(w, 404), new Float32Array(101).fill(5));
      device.free(w);
      device.free(dw);
    });

    it('should compute integers exactly beyond 2^24', async () => {
      const kernel: Kernel = { name: 'odd', run: odd, threads: [1001], integers: { far: 2 ** 30 - 500 } };
      assert.deepEqual(
        await runKernel(device, kernel, [one], 1001),
        range(1001, i => 1 + (i % 2)),
      );
    });

    for (const by of [1, 2, 3, 7, 49, 1000, -1, -3, -7]) {
      it(`should divide integers by ${by}, rounding down, negative ones too`, async () => {
        const step = 21_000_001;
        const kernel: Kernel = { name: 'quotient', run: quotient, threads: [100, 2], integers: { by, step } };
        const result = await runKernel(device, kernel, [new Float32Array(1)], 200);
        for (let x = 0; x < 100; x++) {
          const exact = Math.floor(((x - 50) * step) / by) + 0; // no -0
          assert.equal(result[100 + x]! * 1024 + result[x]!, exact, `${(x - 50) * step} / ${by}`);
        }
      });
    }

    it('should keep minimum and maximum of integers integers', async () => {
      const kernel: Kernel = { name: 'clamped', run: clamped, threads: [9], integers: { far: 2 ** 29 + 1, last: 3 } };
      assert.deepEqual([...(await runKernel(device, kernel, [range(4, i => i + 10)], 9))], [10, 10, 10, 11, 12, 13, 13, 13, 13]);
    });

    it('should free a buffer once, and refuse it from then on', async () => {
      const [x, other] = [device.allocate(16, 'x'), device.allocate(16, 'other')];
      device.free(x);
      const left = device.allocatedBytes;
      device.free(x);
      assert.equal(device.allocatedBytes, left);
      const message = /tensor "x": expected a buffer of this device, got a freed one\. Allocate it here, and free it last\./;
      assert.throws(() => device.write(x, range(4)), message);
      await assert.rejects(device.read(x, 16), message);
      await assert.rejects(device.compile([placed(scale(4, 1), [x], other)]), message);
      device.free(other);
    });

    it('should refuse ranges outside a buffer, broken floats, and an output that is also an input', async () => {
      const x = device.allocate(64, 'x');
      assert.throws(() => device.write(x, range(17)), /write of tensor "x": expected a range inside its 64 bytes, got 68 bytes at 0/);
      assert.throws(() => device.write(x, range(4), 52), /expected a range inside its 64 bytes, got 16 bytes at 52/);
      await assert.rejects(device.read(x, 68), /read of tensor "x": expected a range inside its 64 bytes, got 68 bytes at 0/);
      await assert.rejects(device.read(x, 6), /read of tensor "x": expected a length that is a multiple of 4, got 6 bytes at 0/);
      await assert.rejects(
        device.compile([placed(scale(16, 1), [x], x)]),
        /test scale: expected an output that is none of the inputs, got tensor "x" as both/,
      );
      await assert.rejects(device.run({ launches: 1 }), /run: expected a segment that this device compiled/);
      device.free(x);
    });

    it('should name the launch whose kernel cannot be compiled', async () => {
      const broken = function (this: KernelThis, x: Float32Array) {
        return (globalThis as never as Record<string, (value: number) => number>).nothing!(x[0]!);
      };
      const [x, y] = [device.allocate(16, 'x'), device.allocate(16, 'y')];
      const trial = async () => device.run(await device.compile([placed({ name: 'broken', run: broken, threads: [4] }, [x], y)]));
      await assert.rejects(trial, /test broken.*kernel "?broken"?/);
      // the device goes on
      await device.run(await device.compile([placed(scale(4, 1), [x], y)]));
      device.free(x);
      device.free(y);
    });

    it('should be destroyed while work is under way, twice, and say so afterwards', async function () {
      const other = await open(this);
      const [x, y] = [other.allocate(4, 'x'), other.allocate(256, 'y')];
      const segment = await other.compile([placed(slow(64, 5000), [x], y)]);
      const run = other.run(segment);
      await Promise.all([other.destroy(), other.destroy()]);
      await run;
      assert.equal(other.allocatedBytes, 0);
      const message = /expected an open device, got one that was destroyed\. Open a new one\./;
      assert.throws(() => other.allocate(4, 'x'), message);
      assert.throws(() => other.write(x, one), message);
      await assert.rejects(other.read(x, 4), message);
      await assert.rejects(other.run(segment), message);
      await assert.rejects(other.compile([]), message);
      other.free(x);
      await other.destroy();
      assert.equal(other.allocatedBytes, 0);
    });
  });
}
