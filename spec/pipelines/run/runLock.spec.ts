import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { lockRun } from '../../../pipelines/run/runLock.ts';
import { useTemporaryFolder } from '../../dataFixtures.ts';

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
    assert.ok(!existsSync(path()), 'both are of this process');
    again();
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
