import assert from 'node:assert/strict';
import { Meter, MeterSet } from '../../core/meter.ts';
import { hash } from '../../core/random.ts';

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

describe('Meter', () => {
  it('should conserve items: what came in went out, was dropped or is kept', () => {
    const meter = new Meter('stage', 8);
    for (let i = 0; i < 1000; i++) {
      const draw = hash(i) % 3;
      if (meter.depth === 0 || (draw === 0 && meter.depth < 8)) {
        meter.itemsIn++;
        meter.keep(1);
      } else {
        meter.keep(-1);
        if (draw === 1) meter.itemsOut++;
        else meter.dropped++;
      }
      assert.equal(meter.itemsIn, meter.itemsOut + meter.dropped + meter.depth);
      assert.ok(meter.depth <= meter.peakDepth && meter.peakDepth <= 8);
    }
    assert.ok(meter.peakDepth > 1);
  });

  it('should work out rates, shares and capacity from what was counted', () => {
    const meter = new Meter('decode', 16);
    Object.assign(meter, { itemsIn: 120, itemsOut: 100, dropped: 4, bytes: 4096, busyMs: 1e-3, parallel: 4 });
    Object.assign(meter, { waitUpstreamMs: 3, waitDownstreamMs: 5 });
    const snapshot = meter.snapshot();
    const { elapsedMs, busyShare, itemsPerSecond, capacityPerSecond, ...counted } = snapshot;
    assert.ok(elapsedMs > 0);
    assert.ok(Math.abs(busyShare - 1e-3 / (elapsedMs * 4)) < 1e-9);
    assert.ok(Math.abs(itemsPerSecond - (100 / elapsedMs) * 1000) < 1e-6);
    assert.ok(Math.abs(capacityPerSecond - 4e8) < 1);
    assert.deepEqual(counted, {
      name: 'decode',
      itemsIn: 120,
      itemsOut: 100,
      dropped: 4,
      bytes: 4096,
      busyMs: 1e-3,
      parallel: 4,
      waitUpstreamMs: 3,
      waitDownstreamMs: 5,
      depth: 0,
      meanDepth: 0,
      peakDepth: 0,
      bound: 16,
    });
  });

  it('should never show more than all of its time as busy, nor a finite capacity without work', () => {
    const meter = new Meter('stage');
    assert.equal(meter.snapshot().capacityPerSecond, Number.POSITIVE_INFINITY);
    meter.busyMs = 1e9;
    assert.equal(meter.snapshot().busyShare, 1);
    assert.equal(meter.snapshot().bound, undefined);
  });

  it('should weigh the depth by how long it lasted', async () => {
    const meter = new Meter('stage');
    meter.keep(4);
    await wait(40);
    meter.keep(-4);
    await wait(40);
    const { meanDepth, peakDepth, depth } = meter.snapshot();
    // four for about half of the time; a busy machine lengthens either half
    assert.ok(meanDepth > 0.4 && meanDepth < 3.6, `${meanDepth}`);
    assert.deepEqual([peakDepth, depth], [4, 0]);
    meter.keep(2);
    assert.ok(meter.snapshot().meanDepth < 4);
  });

  it('should keep what a snapshot said', () => {
    const meter = new Meter('stage');
    const snapshot = meter.snapshot();
    meter.itemsIn = 5;
    assert.equal(snapshot.itemsIn, 0);
  });
});

describe('MeterSet', () => {
  it('should make a meter at its first use, and give the same one from then on, in order', () => {
    const set = new MeterSet();
    const [source, decode] = [set.stage('source'), set.stage('decode')];
    assert.equal(set.stage('source'), source);
    assert.deepEqual(set.all, [source, decode]);
    decode.itemsOut = 3;
    assert.deepEqual(
      set.snapshot().map(({ name, itemsOut }) => [name, itemsOut]),
      [
        ['source', 0],
        ['decode', 3],
      ],
    );
  });
});
