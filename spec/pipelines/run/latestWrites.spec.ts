import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LatestWrites } from '../../../pipelines/run/latestWrites.ts';

describe('LatestWrites', () => {
  it('should keep one waiting at most, the latest @smoke', async () => {
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const writes = new LatestWrites<number>(value => {
      begun.push(value);
      return new Promise(resolve => {
        ends.push(resolve);
      });
    });
    for (const value of [1, 2, 3, 4]) {
      writes.add(Promise.resolve(value));
      await turn();
    }
    assert.deepEqual(begun, [1]);
    ends[0]();
    await turn();
    assert.deepEqual(begun, [1, 4]);
    let done = false;
    void writes.all.then(() => {
      done = true;
    });
    await turn();
    assert.ok(!done);
    ends[1]();
    await writes.all;
    writes.add(Promise.resolve(5));
    await turn();
    ends[2]();
    await writes.all;
    assert.deepEqual(begun, [1, 4, 5]);
  });

  it('should let go of what gave way', async () => {
    setFlagsFromString('--expose-gc');
    const gc: () => void = runInNewContext('gc');
    let end = (): void => undefined;
    const writes = new LatestWrites<Uint8Array>(
      () =>
        new Promise(resolve => {
          end = resolve;
        }),
    );
    const seen: WeakRef<Uint8Array>[] = [];
    const add = (): void => {
      const value = new Uint8Array(1000);
      seen.push(new WeakRef(value));
      writes.add(Promise.resolve(value));
    };
    for (let i = 0; i < 5; i++) {
      add();
      await turn();
    }
    gc();
    await turn();
    assert.deepEqual(seen.map(each => each.deref() !== undefined).slice(1), [false, false, false, true]);
    end();
    await turn();
    end();
    await writes.all;
  });

  it('should fail with the first failure, and write nothing after it', async () => {
    const begun: string[] = [];
    const writes = new LatestWrites<string>(async value => {
      begun.push(value);
      throw new Error(`no room for ${value}`);
    });
    writes.add(Promise.resolve('a'));
    writes.add(Promise.resolve('b'));
    await assert.rejects(writes.all, /no room for (a|b)/);
    writes.add(Promise.resolve('c'));
    await assert.rejects(writes.all, /no room for (a|b)/);
    assert.equal(begun.length, 1);
    const lost = new LatestWrites<string>(async () => undefined);
    lost.add(Promise.reject(new Error('the device is lost')));
    await assert.rejects(lost.all, /the device is lost/);
  });
});
