import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TaskEnd } from '../../../core/pool/taskPool.ts';
import { WorkerPool } from '../../../core/pool/workerPool.ts';

const tasks = new URL('./tasks/', import.meta.url);
const counter = () => new Int32Array(new SharedArrayBuffer(4));
const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
};

describe('WorkerPool', () => {
  let pool: WorkerPool;
  afterEach(() => pool.close());

  it('should run named tasks and measure them @smoke', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const end = await pool.run<{ a: number }>('echo', { a: 1 });
    assert.ok(end.ok);
    assert.deepEqual(end.value, { a: 1 });
    assert.ok(end.busyMs >= 0 && end.busyMs < 1000);
    // the thread's clock begins elsewhere: what is told is of this one's
    const { beganMs = Number.NaN, worker = 0 } = end;
    assert.ok(beganMs > performance.now() - 1000 && beganMs + end.busyMs <= performance.now() && worker > 0, `${beganMs}`);
  });

  it('should tell a task that fails from a pool that does', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const refused = await pool.run('refuse', 0);
    assert.ok(!refused.ok && refused.kind === 'failed' && refused.reason === 'no, thanks');
    const missing = await pool.run('nosuchtask', 0);
    assert.ok(!missing.ok && missing.kind === 'failed' && /nosuchtask/.test(missing.reason));
    const uncloneable = await pool.run('echo', () => 0);
    assert.ok(!uncloneable.ok && uncloneable.kind === 'failed' && /could not be cloned/.test(uncloneable.reason));
    assert.equal((await pool.run('echo', 1)).ok, true);
  });

  it('should share memory with its workers instead of copying it', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const began = counter();
    await pool.run('sleep', { ms: 0, began });
    assert.equal(began[0], 1);
  });

  it('should run as many at once as it has workers, and begin in order', async () => {
    pool = new WorkerPool({ workers: 2, tasks });
    const warm = counter();
    const both = [1, 2].map(() => pool.run('sleep', { ms: 100, began: warm }));
    await until(() => warm[0] === 2);
    await Promise.all(both);
    const began = counter();
    const ends: number[] = [];
    for (const ms of [200, 10, 10, 10]) pool.submit<unknown, number>('sleep', { ms, began }, end => ends.push(end.ok ? end.value : -1));
    assert.equal(pool.queued, 2);
    await until(() => ends.length === 4);
    assert.deepEqual(ends, [10, 10, 10, 200]);
  });

  it('should send many small tasks together and give every one its own answer', async () => {
    pool = new WorkerPool({ workers: 2, tasks });
    const ends = await Promise.all(Array.from({ length: 500 }, (_, i) => pool.run<number>(i % 7 === 3 ? 'refuse' : 'echo', i)));
    for (const [i, end] of ends.entries()) assert.equal(end.ok ? end.value : 'refused', i % 7 === 3 ? 'refused' : i);
  });

  it('should take back what has not begun, and nothing else', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    await pool.run('echo', 0);
    const began = counter();
    const ends: TaskEnd<number>[] = [];
    const tickets = [0, 1, 2].map(() => pool.submit<unknown, number>('sleep', { ms: 30, began }, end => ends.push(end)));
    assert.deepEqual(
      tickets.map(ticket => ticket.cancel()),
      [false, true, true],
    );
    await until(() => ends.length === 1);
    await pool.run('echo', 0);
    assert.deepEqual([began[0], ends.length], [1, 1]);
  });

  it('should replace a thread that died and try its task once more', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const began = counter();
    const [end, after] = await Promise.all([pool.run<string>('die', { times: 1, began }), pool.run<number>('echo', 5)]);
    assert.ok(end.ok && end.value === 'alive');
    assert.ok(after.ok && after.value === 5);
    assert.equal(began[0], 2);
  });

  it('should give up on a task that kills its thread ten times, and on no other', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const began = counter();
    const ends = await Promise.all([
      ...[1, 2, 3].map(i => pool.run<number>('echo', i)),
      pool.run<string>('die', { times: 99, began }),
      pool.run<number>('echo', 4),
    ]);
    assert.deepEqual(
      ends.map(end => (end.ok ? end.value : end.kind)),
      [1, 2, 3, 'crashed', 4],
    );
    assert.equal(began[0], 10);
    const { reason } = ends[3] as { reason: string };
    assert.match(reason, /^its worker thread died 10 times over it \(/);
  });

  it('should survive an error that no promise catches', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const end = await pool.run('throwLater', 0);
    assert.ok(!end.ok && end.kind === 'crashed' && /out of nowhere/.test(end.reason));
    assert.equal((await pool.run('echo', 1)).ok, true);
  });

  it('should close within a second, with work queued and a task that does not end', async () => {
    pool = new WorkerPool({ workers: 1, tasks });
    const began = counter();
    const ends: TaskEnd<number>[] = [];
    for (let i = 0; i < 10; i++) pool.submit<unknown, number>('sleep', { ms: 60_000, began }, end => ends.push(end));
    await until(() => began[0] === 1);
    const closing = performance.now();
    await pool.close();
    assert.ok(performance.now() - closing < 1000);
    assert.equal(ends.length, 10);
    assert.ok(ends.every(end => !end.ok && end.kind === 'closed'));
    pool.submit('echo', 0, end => ends.push(end as TaskEnd<number>));
    assert.equal(ends.length, 11);
  });

  it('should let the process end by itself while it is idle', async () => {
    const script = `
      const { WorkerPool } = await import(${JSON.stringify(new URL('../../../core/pool/workerPool.ts', import.meta.url).href)});
      const pool = new WorkerPool({ workers: 2, tasks: new URL(${JSON.stringify(tasks.href)}) });
      if (!(await pool.run('echo', 1)).ok) process.exit(1);
      process.stdout.write(String(Date.now()));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      timeout: 15_000,
    });
    const idleMs = Date.now() - Number(stdout);
    assert.ok(Number(stdout) > 0 && idleMs < 1000, `${idleMs} ms`);
    pool = new WorkerPool({ workers: 1, tasks });
  });

  it('should say so when no thread starts, instead of waiting for ever', async () => {
    const flags = process.execArgv;
    process.execArgv = [...flags, '--import', './no-such-loader.mjs'];
    try {
      pool = new WorkerPool({ workers: 2, tasks });
      const ends = await Promise.all([1, 2, 3].map(i => pool.run('echo', i)));
      for (const end of [...ends, await pool.run('echo', 4)]) {
        assert.ok(!end.ok && end.kind === 'broken');
        assert.match(end.reason, /^none that start \(.*no-such-loader/s);
      }
    } finally {
      process.execArgv = flags;
    }
  });

  it('should refuse a number of workers that makes no sense', () => {
    assert.throws(() => new WorkerPool({ workers: 0 }), {
      message: "WorkerPool: expected workers to be a whole number, 1 or more, or 'auto', got 0. Change the number of workers.",
    });
  });
});
