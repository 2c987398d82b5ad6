import assert from 'node:assert/strict';
import { Meter, MeterSet } from '../../core/meter.ts';
import { DeviceMeter } from '../../core/profile/deviceMeter.ts';
import { hash } from '../../core/random.ts';

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

describe('Meter', () => {
  it("should conserve items and obey Little's law at every moment: mean depth = rate × mean time inside", () => {
    const meter = new Meter('stage', 8);
    const inside: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const draw = hash(i) % 3;
      // a moment, so that there is time to measure
      for (const until = performance.now() + 0.01; performance.now() < until; );
      if (inside.length === 0 || (draw === 0 && inside.length < 8)) inside.push(meter.enter(1));
      else if (draw === 1) meter.leave(1, inside.splice(hash(i, 1) % inside.length, 1)[0]);
      else meter.drop(1, inside.pop()!);
      assert.equal(meter.depth, inside.length);
      if (i % 50 > 0) continue;
      const { itemsIn, itemsOut, dropped, depth, peakDepth, meanDepth, elapsedMs, latency, heldMs } = meter.snapshot();
      assert.equal(itemsIn, itemsOut + dropped + depth);
      assert.ok(depth <= peakDepth && peakDepth <= 8);
      const spent = latency.count > 0 ? latency.count * latency.meanMs : 0;
      assert.ok(Math.abs(meanDepth * elapsedMs - spent - heldMs) < 1e-6, `${meanDepth * elapsedMs} against ${spent} + ${heldMs}`);
    }
    assert.ok(meter.peakDepth > 1 && meter.dropped > 0 && meter.itemsOut > 0);
  });

  it('should work out rates, shares and capacity from what was counted', () => {
    const meter = new Meter('decode', 16);
    Object.assign(meter, { itemsIn: 120, itemsOut: 100, dropped: 20, bytes: 4096, busyMs: 1e-3, parallel: 4, runs: 'workers' });
    const { elapsedMs, busyShare, itemsPerSecond, inPerSecond, capacityPerSecond, waitUpstreamMs, ...rest } = meter.snapshot();
    const { name, itemsIn, itemsOut, dropped, bytes, busyMs, parallel, runs, depth, bound, workers } = rest;
    assert.ok(elapsedMs > 0);
    assert.ok(Math.abs(busyShare - 1e-3 / (elapsedMs * 4)) < 1e-9);
    assert.ok(Math.abs(itemsPerSecond - (100 / elapsedMs) * 1000) < 1e-6);
    assert.ok(Math.abs(inPerSecond - (120 / elapsedMs) * 1000) < 1e-6);
    assert.ok(Math.abs(capacityPerSecond - 4.8e8) < 1);
    assert.ok(waitUpstreamMs > 0);
    assert.deepEqual(
      { name, itemsIn, itemsOut, dropped, bytes, busyMs, parallel, runs, depth, bound, workers },
      {
        ...{ name: 'decode', itemsIn: 120, itemsOut: 100, dropped: 20, bytes: 4096, busyMs: 1e-3, parallel: 4, runs: 'workers' },
        ...{ depth: 0, bound: 16, workers: undefined },
      },
    );
  });

  it('should count which way items went, from the start and since a reading', () => {
    const meters = new MeterSet();
    const meter = meters.stage('decode');
    assert.equal('ways' in meter.snapshot(), false);
    for (const way of ['one', 'other', 'one']) meter.went(way);
    const before = meters.read();
    meter.went('other');
    assert.deepEqual(meter.snapshot().ways, { one: 2, other: 2 });
    assert.deepEqual(meters.snapshot(before).stages[0].ways, { other: 1 });
  });

  it('should never show more than all of its time as busy, nor a finite capacity without work', () => {
    const meter = new Meter('stage');
    assert.equal(meter.snapshot().capacityPerSecond, Number.POSITIVE_INFINITY);
    meter.main.ms = 1e9;
    assert.equal(meter.snapshot().busyShare, 1);
    assert.equal(meter.snapshot().bound, undefined);
  });

  it('should weigh the depth by how long it lasted, and tell how it went', async () => {
    const meter = new Meter('stage');
    const since = meter.enter(4);
    await wait(40);
    meter.leave(4, since);
    await wait(40);
    const { meanDepth, peakDepth, depth, depthOverTime, latency } = meter.snapshot();
    // four for about half of the time; a busy machine lengthens either half
    assert.ok(meanDepth > 0.4 && meanDepth < 3.6, `${meanDepth}`);
    assert.deepEqual([peakDepth, depth, latency.count], [4, 0, 4]);
    assert.ok(latency.p50Ms >= 38 && latency.p50Ms <= latency.maxMs, `${latency.p50Ms}`);
    assert.ok(depthOverTime.means.length >= 6 && depthOverTime.means[0] > 3.9 && depthOverTime.means.at(-1) === 0);
  });

  it('should tell standing still for want of work from standing still with work done', async () => {
    const meter = new Meter('workers');
    meter.parallel = 2;
    const since = meter.enter(1);
    await wait(20);
    const half = meter.snapshot();
    assert.ok(half.waitUpstreamMs > 15 && half.waitDownstreamMs === 0, 'one of two has nothing to do');
    meter.starvedBy = 'downstream';
    meter.leave(1, since);
    await wait(20);
    const { waitUpstreamMs, waitDownstreamMs } = meter.snapshot();
    assert.ok(waitDownstreamMs > 35 && waitUpstreamMs < half.waitUpstreamMs + 10, `${waitDownstreamMs}`);
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
      set.snapshot().stages.map(({ name, itemsOut }) => [name, itemsOut]),
      [
        ['source', 0],
        ['decode', 3],
      ],
    );
  });

  it("should let no time pass while it is paused, for stages, their items, CPU time and the device's gaps @smoke", async () => {
    const set = new MeterSet();
    const device = new DeviceMeter({ kind: 'cpu', description: 'a device' });
    const stage = set.stage('stage');
    stage.worksByDepth();
    const since = stage.enter(2);
    set.uses(device);
    const ended = performance.now();
    device.ran('update', ended - 1, ended);
    set.pause();
    const before = set.read();
    const until = performance.now() + 60;
    while (performance.now() < until);
    // inside a pause items come and go, too
    stage.drop(1, since);
    stage.drop(1, since);
    const later = stage.enter(3);
    await wait(40);
    assert.equal(set.read().elapsedMs, before.elapsedMs);
    assert.equal(set.read().cpu.cpuMs, before.cpu.cpuMs);
    set.resume();
    const began = performance.now();
    device.ran('forward', began, began + 1);
    await wait(30);
    stage.leave(3, later);
    const { elapsedMs, stages, device: seen, machine } = set.snapshot();
    // a busy machine lengthens what lies outside of the pause; the pause alone was 100
    assert.ok(elapsedMs >= 29 && elapsedMs < 90, `${elapsedMs} ms`);
    const [{ latency, meanDepth, heldMs, busyMs, waitUpstreamMs }] = stages;
    assert.ok(busyMs + waitUpstreamMs <= elapsedMs + 1e-6, `${busyMs} + ${waitUpstreamMs} of ${elapsedMs}`);
    assert.ok(Math.abs(meanDepth * elapsedMs - (latency.count * latency.meanMs + heldMs)) < 1e-3 * elapsedMs * meanDepth);
    assert.ok(seen!.betweenSteps.count === 1 && seen!.betweenSteps.maxMs < 50, `${seen!.betweenSteps.maxMs}`);
    assert.ok(machine.busyCores * elapsedMs < 60, `${machine.busyCores} cores`);
  });
});
