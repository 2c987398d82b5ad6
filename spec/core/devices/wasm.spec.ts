import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { describeDevices } from '../../../core/devices/open.ts';
import { Arena, MAXIMUM_PAGES } from '../../../core/devices/wasm/arena.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { WorkerPool } from '../../../core/pool/workerPool.ts';
import { divide, placed, scale, slow } from './kernels.ts';

describe('openWasm', () => {
  it('should say what it is', async () => {
    for (const [threads, description] of [
      [1, /^wasm, 1 thread, (relaxed )?SIMD$/],
      [2, /^wasm, 2 threads,? .*SIMD$/],
    ] as const) {
      const device = await openWasm({ threads });
      assert.deepEqual([device.kind, device.language, device.threads], ['wasm', 'wasm', threads]);
      assert.match(device.description, description);
      await device.destroy();
    }
  });

  it('should leave the main thread free during a long segment', async () => {
    const device = await openWasm({ threads: 2 });
    const [x, y] = [device.allocate(4, 'x'), device.allocate(16384, 'y')];
    const segment = await device.compile([placed(slow(4096, 4000), [x], y)]);
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    const start = performance.now();
    await device.run(segment);
    const took = performance.now() - start;
    delays.disable();
    await device.destroy();
    assert.ok(took > 60, `the segment took only ${took} ms: too short to tell`);
    // the 90th percentile: other processes on the machine hold up single turns
    const delay = delays.percentile(90) / 1e6;
    assert.ok(delay < 20, `the event loop came round after ${delay} ms`);
  });

  it('should name the launch whose kernel traps, stay failed, and still be destroyed', async () => {
    const device = await openWasm({ threads: 3 });
    const lost = assert.rejects(device.lost, /test divide: divide by zero/);
    const [x, y, z] = [device.allocate(4, 'x'), device.allocate(16000, 'y'), device.allocate(16000, 'z')];
    const segment = await device.compile([placed(scale(1, 2), [x], z), placed(divide(4000, 0), [x], y), placed(scale(4000, 2), [y], z)]);
    const message =
      /^MillraceError: wasm: expected compute threads that finish their work, got test divide: divide by zero\. Report the kernel and the shapes/;
    await assert.rejects(device.run(segment), message);
    await lost;
    await assert.rejects(device.run(segment), message);
    await assert.rejects(device.read(x, 4), message);
    assert.throws(() => device.allocate(4, 'more'), message);
    await device.destroy();
    assert.equal(device.allocatedBytes, 0);
  });

  it('should fail the step that a dying compute thread was in, and still be destroyed', async () => {
    const workers: Worker[] = [];
    const collect = (message: unknown) => workers.push((message as { worker: Worker }).worker);
    subscribe('worker_threads', collect);
    const device = await openWasm({ threads: 3 });
    unsubscribe('worker_threads', collect);
    const [x, y] = [device.allocate(4, 'x'), device.allocate(16384, 'y')];
    const segment = await device.compile([placed(slow(4096, 4000), [x], y)]);
    const lost = assert.rejects(device.lost, /compute thread 1 stopped/);
    const run = assert.rejects(
      device.run(segment),
      /^MillraceError: wasm: expected compute threads that finish their work, got compute thread 1 stopped\. /,
    );
    await setTimeout(20);
    await workers[1]!.terminate();
    await run;
    await lost;
    await device.destroy();
  });

  it('should run many short segments with far more threads than cores, in order, each launch after the one before', async () => {
    const device = await openWasm({ threads: 9 });
    const chain = Array.from({ length: 9 }, (_, i) => device.allocate(4 * 4000, `x${i}`));
    const aside = device.allocate(4 * 4000, 'aside');
    // each doubles what the one before left; in between short launches, which most threads come too late for
    const launches = [1, 17, 3000, 5, 2, 333, 64, 1].flatMap((length, i) => [
      placed(scale(4000, 2), [chain[i]!], chain[i + 1]!),
      placed(scale(length, 1), [chain[i]!], aside),
    ]);
    const there = await device.compile(launches);
    const back = await device.compile([placed(scale(4000, 3 / 256), [chain[8]!], chain[0]!)]);
    device.write(chain[0]!, new Float32Array(4000).fill(1));
    for (let round = 1; round <= 60; round++) {
      void device.run(there);
      await device.run(back);
      if (round % 15 > 0) continue;
      const values = await device.read(chain[0]!, 4 * 4000);
      assert.ok(
        values.every(value => value === values[0]),
        `round ${round}`,
      );
      assert.equal(values[0], 3 ** 15, `round ${round}`);
      device.write(chain[0]!, new Float32Array(4000).fill(1));
    }
    await device.destroy();
  });

  it('should begin with the last units where a routine asks for that, and do each once', async () => {
    const unit = 4096;
    for (const [threads, lastFirst] of [
      [1, true],
      [1, false],
      [3, true],
    ] as const) {
      const device = await openWasm({ threads });
      const y = device.allocate(5 * 4 * unit, 'y');
      device.write(
        y,
        Float32Array.from({ length: 5 * unit }, (_, i) => Math.floor(i / unit)),
      );
      // each unit takes what the one before it holds then
      const launch = {
        kernel: { name: 'shift' },
        inputs: [],
        output: 'y',
        body: {
          language: 'wasm',
          routine: 'copy',
          units: 4,
          lastFirst,
          arguments: ({ output }: { output: number }) => [output, output + 4 * unit, 4 * unit],
        },
      } as const;
      const moved = await device.compile([{ label: 'shift', launch, inputs: [], output: { buffer: y, length: 5 * unit, dtype: 'f32' } }]);
      await device.run(moved);
      const read = await device.read(y, 5 * 4 * unit);
      await device.destroy();
      const got = [0, 1, 2, 3, 4].map(i => read[i * unit + unit - 1]);
      if (threads === 1) assert.deepEqual(got, lastFirst ? [0, 0, 1, 2, 3] : [0, 0, 0, 0, 0]);
      // at the same time, their order is left open
      else
        assert.ok(
          got.every((value, i) => value! <= Math.max(0, i - 1)),
          `${got}`,
        );
    }
  });

  it('should say so when the threads cannot share memory', async () => {
    const original = globalThis.SharedArrayBuffer;
    Reflect.deleteProperty(globalThis, 'SharedArrayBuffer');
    try {
      await assert.rejects(
        openWasm({ threads: 1 }),
        /^MillraceError: wasm: expected SharedArrayBuffer, in which its threads share tensors, got a JavaScript engine without it\. Run Node without /,
      );
      assert.throws(
        () => new WorkerPool({ workers: 1 }),
        /^MillraceError: worker threads: expected SharedArrayBuffer, in which threads hand over pixels, got a JavaScript engine without it\. Run Node without /,
      );
      const wasm = (await describeDevices()).find(({ kind }) => kind === 'wasm')!;
      assert.deepEqual([wasm.available, wasm.chosen], [false, false]);
      assert.match(wasm.reason!, /has no SharedArrayBuffer/);
    } finally {
      globalThis.SharedArrayBuffer = original;
    }
  });

  it('should say when there are more threads than cores', async () => {
    const threads = availableParallelism() + 1;
    const device = await openWasm({ threads });
    assert.match(
      device.description,
      new RegExp(`^wasm, ${threads} threads on ${threads - 1} cores? \\(more threads than cores are slower\\), `),
    );
    await device.destroy();
  });

  it('should keep freed memory untouched until what was asked for before is done', async () => {
    const device = await openWasm({ threads: 2 });
    const [x, y] = [device.allocate(4, 'x'), device.allocate(4096, 'y')];
    device.write(x, Float32Array.of(1));
    const segment = await device.compile([placed(slow(1024, 20), [x], y), placed(scale(1, 4), [x], y)]);
    const run = device.run(segment);
    device.free(x);
    const other = device.allocate(4, 'other');
    device.write(other, Float32Array.of(100));
    await run;
    const [first] = await device.read(y, 4);
    assert.equal(first, 4);
    await device.destroy();
  });

  it('should let the process end by itself, whether open, in use or destroyed', function () {
    this.timeout(30_000);
    const path = new URL('../../../core/devices/wasm/device.ts', import.meta.url);
    const program = `const { openWasm } = await import(${JSON.stringify(path.href)});
      const device = await openWasm({ threads: 2 });
      const x = device.allocate(8, 'x');
      device.write(x, new Float32Array(2));
      if (process.argv[1] === 'destroy') await device.destroy();
      if (process.argv[1] === 'read') process.stdout.write(String((await device.read(x, 8)).length));`;
    for (const [end, output] of [
      ['destroy', ''],
      ['leave', ''],
      ['read', '2'],
    ]) {
      const { status, signal, stdout, stderr } = spawnSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', program, end!],
        { timeout: 15_000, encoding: 'utf8' },
      );
      assert.deepEqual([status, signal, stdout], [0, null, output], stderr);
    }
  });

  it('should name the tensor when memory is out, and go on with smaller ones', async () => {
    const device = await openWasm({ threads: 1 });
    assert.throws(
      () => device.allocate(5 * 2 ** 30, 'layer1.conv1.weight'),
      /^MillraceError: wasm: expected memory for "layer1\.conv1\.weight" within the 4 GiB of 32-bit WebAssembly and what the system gives, got a need of 5121 MiB in all\. Use a smaller batch, smaller images or a smaller model\.$/,
    );
    assert.equal(device.allocatedBytes, 0);
    const x = device.allocate(8, 'x');
    device.write(x, Float32Array.of(1, 2));
    assert.deepEqual([...(await device.read(x, 8))], [1, 2]);
    await device.destroy();
  });
});

describe('Arena', () => {
  it('should align every buffer, start it at zero, and leave address 0 unused', () => {
    const arena = new Arena();
    const [a, b] = [arena.allocate(1, 'a'), arena.allocate(65, 'b')];
    assert.deepEqual([a.offset % 64, b.offset % 64, a.bytes, b.bytes], [0, 0, 64, 128]);
    assert.ok(a.offset > 0 && b.offset >= a.offset + 64);
    assert.equal(arena.allocatedBytes, 192);
  });

  it('should use freed memory again, zeroed, and join freed neighbours', () => {
    const arena = new Arena();
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(label => arena.allocate(1024, label)) as [never, never, never, never];
    const { offset } = a as { offset: number };
    new Uint8Array(arena.memory.buffer, offset, 3072).fill(9);
    arena.free(a);
    arena.free(c);
    arena.free(b);
    // only the three together are large enough
    const whole = arena.allocate(3072, 'whole');
    assert.equal(whole.offset, offset);
    assert.ok(new Uint8Array(arena.memory.buffer, offset, 3072).every(byte => byte === 0));
    arena.free(whole);
    const part = arena.allocate(100, 'part');
    assert.equal(part.offset, offset);
    arena.free(part);
    arena.free(d);
    assert.equal(arena.allocatedBytes, 0);
  });

  it('should never let two buffers overlap, whatever comes and goes', () => {
    const arena = new Arena();
    const live: { offset: number; bytes: number; label: string }[] = [];
    let state = 12345;
    const draw = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let i = 0; i < 600; i++) {
      if (live.length > 0 && draw(5) < 2) arena.free(live.splice(draw(live.length), 1)[0]!);
      else live.push(arena.allocate(1 + draw(3000), `${i}`));
      const sorted = live.toSorted((a, b) => a.offset - b.offset);
      for (let n = 1; n < sorted.length; n++) assert.ok(sorted[n - 1]!.offset + sorted[n - 1]!.bytes <= sorted[n]!.offset);
    }
    assert.equal(
      arena.allocatedBytes,
      live.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    const { byteLength } = arena.memory.buffer;
    for (const buffer of live) arena.free(buffer);
    arena.allocate(byteLength / 2, 'half of all');
    assert.equal(arena.memory.buffer.byteLength, byteLength);
  });

  it('should give the end back, so that a larger buffer takes the place of the last one', () => {
    const arena = new Arena();
    const first = arena.allocate(640, 'first');
    const [a, b] = [arena.allocate(64, 'a'), arena.allocate(128, 'b')];
    arena.free(a);
    arena.free(b);
    assert.equal(arena.allocate(1 << 20, 'larger').offset, first.offset + 640);
  });

  it('should grow up to what 32 bits address', () => {
    assert.equal(MAXIMUM_PAGES * 65536, 2 ** 32);
  });
});
