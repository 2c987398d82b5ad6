import assert from 'node:assert/strict';
import { type JobOptions, makeJob, smallerJobs } from './job.ts';
import { Peer } from './peer.ts';
import { type Measured, report, reportTable } from './report.ts';

const options: JobOptions = { model: 'resnet8', size: 28, batch: 4, channels: 1, classes: 10, threads: 1, device: 'wasm' };
const measured = (name: string, ms: number[], more: Partial<Measured> = {}): Measured => ({
  name,
  about: `about ${name}`,
  javascript: false,
  size: 28,
  batch: 4,
  flops: 4e9,
  ms,
  ...more,
});

describe('the peers', () => {
  it('should be compared round by round, smaller jobs by their FLOP/s @smoke', () => {
    const rows = report([
      measured('ours', [100, 200, 400]),
      // as disturbed as ours in the same rounds: always half as fast
      measured('theirs', [200, 400, 800]),
      measured('slow', [1000, 1000, 1000], { batch: 1, size: 14, flops: 0.25e9 }),
    ]);
    assert.deepEqual(
      rows.map(({ ratio }) => ratio),
      [1, 2, 80],
    );
    assert.deepEqual(
      rows.map(({ step_ms, gflops, images_per_s, whole }) => [step_ms, gflops, images_per_s, whole]),
      [
        [200, 20, 20, true],
        [400, 10, 10, true],
        [1000, 0.25, 0.25, false],
      ],
    );
    const text = reportTable(rows, [{ name: 'other', cannot: 'no filter gradient' }], 120);
    assert.match(text, /^slow +1 × 14² +1,000 +0\.25 +≈ 0\.25 +80\.00 × +about slow$/m);
    assert.match(text, /≈: too slow for the whole step\./);
    assert.match(text, /\nother cannot: no filter gradient$/);
  });

  it('should get the graph with all that it leaves out filled in', () => {
    const { nodes, flops, input, output } = makeJob(options);
    assert.deepEqual(input, [4, 28, 28, 1]);
    assert.equal(output, nodes.at(-1)!.name);
    // 9,145,216 multiply-accumulates an image (models/resnetCifar.ts)
    assert.equal(flops, 6 * 9_145_216 * 4);
    const [conv, norm] = nodes;
    assert.deepEqual([conv.attributes.kernel, conv.attributes.dilation, conv.attributes.groups], [[3, 3], 1, 1]);
    assert.deepEqual(
      conv.parameters.map(({ local, shape }) => [local, shape]),
      [['weight', [3, 3, 1, 16]]],
    );
    assert.deepEqual(
      norm.parameters.map(({ local, role }) => [local, role]),
      [
        ['weight', 'parameter'],
        ['bias', 'parameter'],
        ['running_mean', 'state'],
        ['running_var', 'state'],
      ],
    );
  });

  it('should have smaller jobs for slow libraries, as far as the model goes', () => {
    const sizes = (model: string, size: number) =>
      smallerJobs({ ...options, model, size, channels: 3 }).map(({ size, batch }) => [batch, size]);
    assert.deepEqual(sizes('resnet18', 224), [
      [1, 224],
      [1, 112],
      [1, 56],
      [1, 28],
    ]);
    assert.deepEqual(sizes('alexnet', 224), [
      [1, 224],
      [1, 112],
    ]);
  });

  describe('as processes', () => {
    const job = makeJob(options);
    const script = (text: string) => [process.execPath, '-e', text];
    const serve = `require('readline').createInterface({ input: process.stdin }).on('line', line =>
      console.log(JSON.stringify({ event: 'ran', ms: JSON.parse(line).steps, loss: 1 })));`;

    it('should answer in turn, whatever else they print', async () => {
      const peer = await Peer.start(script(`console.log('hello'); console.log('{"event":"ready","about":"it"}'); ${serve}`), job, 20_000);
      assert.equal(peer.about, 'it');
      assert.equal(await peer.run(3, 20_000), 3);
      peer.close();
    });

    it('should tell why they cannot, end or take too long', async () => {
      const start = (text: string, ms = 20_000) => Peer.start(script(text), job, ms);
      await assert.rejects(start(`console.log('{"event":"cannot","reason":"no gradient"}')`), /^Error: no gradient$/);
      await assert.rejects(start(`console.error('out of memory'); process.exitCode = 3`), /^Error: it ended with status 3: out of memory$/);
      await assert.rejects(start('setInterval(() => {}, 1000)', 300), /^Error: start took longer than 0.3 s$/);
      await assert.rejects(Peer.start(['/no/such/program'], job, 20_000), /ENOENT/);
    });

    it('should refuse a step whose loss is no number', async () => {
      const peer = await Peer.start(
        script(
          `console.log('{"event":"ready","about":"it"}'); process.stdin.once('data', () => console.log('{"event":"ran","ms":1,"loss":"NaN"}'))`,
        ),
        job,
        20_000,
      );
      await assert.rejects(peer.run(1, 20_000), /its loss became NaN/);
      peer.close();
    });
  });
});
