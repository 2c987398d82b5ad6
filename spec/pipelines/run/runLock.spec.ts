import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { lockRun } from '../../../pipelines/run/runLock.ts';
import { until, useTemporaryFolder } from '../../dataFixtures.ts';

describe('lockRun', () => {
  const folder = useTemporaryFolder();
  const path = () => folder.path('run.lock');
  const left = (holder: object) => writeFileSync(path(), JSON.stringify(holder));

  it('should refuse a folder that a process works in, by its number, and give it back @smoke', () => {
    const unlock = lockRun(folder.path());
    assert.throws(() => lockRun(folder.path()), {
      message:
        `run folder ${folder.path()}: expected one that no other process works in, got one that process ${process.pid} has. ` +
        `Wait until it has ended, or stop it. If it is no run any more, remove ${path()}.`,
    });
    unlock();
    assert.ok(!existsSync(path()));
    const again = lockRun(folder.path());
    unlock();
    assert.ok(existsSync(path()), 'what was given back stays so');
    again();
    assert.ok(!existsSync(path()));
  });

  it('should see that another process is there, and take over what it left when it was killed', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    left({ pid: other.pid, host: hostname() });
    assert.throws(() => lockRun(folder.path()), new RegExp(`got one that process ${other.pid} has`));
    const gone = new Promise(resolve => other.once('exit', resolve));
    other.kill('SIGKILL');
    await gone;
    const unlock = lockRun(folder.path());
    assert.equal(JSON.parse(readFileSync(path(), 'utf8')).pid, process.pid);
    unlock();
  });

  it('should be taken over by one of many processes that find it stale at the same moment, again and again', async () => {
    const log = folder.path('log');
    writeFileSync(log, '');
    const dead = spawnSync('true').pid;
    left({ pid: dead, host: hostname() });
    const script = new URL('./lockTakers.ts', import.meta.url).pathname;
    const takers = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--import', 'tsx', script, folder.path(), log, String(dead)], { stdio: ['pipe', 'inherit', 'inherit'] }),
    );
    try {
      // all at once
      await until(() => readFileSync(log, 'utf8').split('ready').length > takers.length);
      const ended = takers.map(taker => new Promise(resolve => taker.once('exit', resolve)));
      for (const taker of takers) taker.stdin.end('go');
      assert.deepEqual(new Set(await Promise.all(ended)), new Set([0]));
    } finally {
      for (const taker of takers) taker.kill('SIGKILL');
    }
    let inside: string | undefined;
    let times = 0;
    for (const line of readFileSync(log, 'utf8').split('\n').filter(Boolean)) {
      const [what, who] = line.split(' ');
      if (what === 'in') {
        assert.equal(inside, undefined, `${who} came in`);
        inside = who;
        times++;
      } else if (what === 'out') {
        assert.equal(inside, who);
        inside = undefined;
      }
    }
    assert.equal(times, 4 * 30);
    lockRun(folder.path())();
    assert.deepEqual(readdirSync(folder.path()), ['log'], 'nothing is left beside it');
  });

  it('should take over from one that was killed while it took over', () => {
    const dead = () => ({ pid: spawnSync('true').pid, host: hostname(), id: 'x' });
    left(dead());
    const claim = `${path()}.${createHash('sha256').update(readFileSync(path())).digest('hex').slice(0, 16)}`;
    writeFileSync(claim, JSON.stringify(dead()));
    writeFileSync(`${path()}.12345678.part`, '{');
    const unlock = lockRun(folder.path());
    assert.equal(JSON.parse(readFileSync(path(), 'utf8')).pid, process.pid);
    assert.deepEqual(readdirSync(folder.path()), ['run.lock']);
    unlock();
    // one that is still at it has the folder
    left(dead());
    const again = `${path()}.${createHash('sha256').update(readFileSync(path())).digest('hex').slice(0, 16)}`;
    writeFileSync(again, JSON.stringify({ pid: process.pid, host: hostname() }));
    assert.throws(() => lockRun(folder.path()), new RegExp(`got one that process ${process.pid} has`));
  });

  it('should not take a number that came again for the process that had it', function () {
    if (process.platform !== 'linux') return this.skip();
    left({ pid: process.pid, host: hostname(), began: '1' });
    lockRun(folder.path())();
  });

  it('should leave alone what another machine has, and what is just being written', () => {
    left({ pid: spawnSync('true').pid, host: 'elsewhere' });
    assert.throws(() => lockRun(folder.path()), /got one that process \d+ on elsewhere has\./);
    writeFileSync(path(), '');
    assert.throws(() => lockRun(folder.path()), /got one that another process has\./);
    utimesSync(path(), 1, 1);
    lockRun(folder.path())();
  });
});
