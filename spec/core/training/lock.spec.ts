import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { Lock } from '../../../core/training/lock.ts';

describe('Lock', () => {
  it('should have one holder at a time, first come first served', async () => {
    const lock = new Lock();
    const log: string[] = [];
    const hold = async (name: string) => {
      const free = await lock.acquire();
      log.push(`${name} in`);
      await turn();
      log.push(`${name} out`);
      free();
    };
    await Promise.all(['a', 'b', 'c'].map(hold));
    assert.deepEqual(log, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  });

  it('should not be given back twice by one holder', async () => {
    const lock = new Lock();
    const first = await lock.acquire();
    const second = lock.acquire();
    const third = lock.acquire();
    first();
    first();
    let reached = false;
    void third.then(() => {
      reached = true;
    });
    const free = await second;
    await turn();
    assert.equal(reached, false);
    free();
    (await third)();
    assert.equal(reached, true);
  });
});
