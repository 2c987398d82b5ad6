import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atSize, graph, graphToJson } from '../../core/index.ts';
import { resnet18, tiny } from '../../models/index.ts';
import { millrace, small, temporaryFolder, toyData } from './toy.ts';

describe('millrace evaluate, several views', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  let run: string;
  const evaluate = (...args: string[]) => millrace('evaluate', run, '--threads', '1', '--device', 'wasm', '--json', ...args);
  const wide = () => {
    const g = graph('fixed', [8, 8, 1]);
    return g.output(g.linear('fc', g.flatten('flatten', g.conv2d('conv', g.input, { filters: 2, kernel: 3 })), { features: 2 }));
  };

  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'), { train: 12, test: 5 });
    run = join(folder.path, 'run');
    const { status, stderr } = await millrace('train', '--data', data, ...small, '--out', run, '--steps', '3');
    assert.equal(status, 0, stderr);
  });
  after(() => folder.remove());

  it('should measure the mean of ten crops, of scales, and of both', async () => {
    const plain = await evaluate();
    const same = await evaluate('--scales', '8');
    assert.ok(Math.abs(same.summary.loss - plain.summary.loss) < 1e-6, 'its own size alone changes nothing');
    const losses = new Set([plain.summary.loss]);
    for (const args of [
      ['--crops', '10'],
      ['--scales', '8,11'],
      ['--scales', '11,14'],
      ['--crops', '10', '--scales', '8,11'],
      ['--crops', '10', '--average', 'logits'],
    ]) {
      const { status, summary, stderr } = await evaluate(...args);
      assert.equal(status, 0, stderr);
      assert.equal(summary.images, 10);
      assert.ok((summary.top1 as number) >= 0 && (summary.top1 as number) <= 1 && summary.top5 === 1);
      losses.add(summary.loss);
    }
    assert.equal(losses.size, 6, 'all of them measure something else');
  });

  it('should refuse sizes for a model that takes one, and flags that make no sense', async () => {
    writeFileSync(join(folder.path, 'fixed.json'), graphToJson(wide()));
    const fixed = join(folder.path, 'fixed');
    const made = await millrace(
      'train',
      '--data',
      data,
      ...small,
      '--model',
      join(folder.path, 'fixed.json'),
      '--steps',
      '1',
      '--out',
      fixed,
    );
    assert.equal(made.status, 0, made.stderr);
    const { status, stderr } = await millrace('evaluate', fixed, '--scales', '8,12');
    assert.equal(status, 1);
    assert.equal(
      stderr,
      'millrace: model "fixed" for images of 12 × 12: expected fc.weight of [72,2], as for its own size, got [200,2]. Only models that pool adaptively before their linear layers take any size; evaluate this one with crops.\n',
    );
    assert.equal((await millrace('evaluate', fixed, '--crops', '10')).status, 0);
    for (const args of [
      ['--crops', '5'],
      ['--scales', '8,8'],
      ['--scales', 'x'],
      ['--average', 'logits'],
    ]) {
      assert.equal((await evaluate(...args)).status, 2, args.join(' '));
    }
  });

  it('should keep the weights of a graph at another size @smoke', () => {
    const resnet = resnet18();
    assert.deepEqual(atSize(resnet, 640, 480).input, [640, 480, 3]);
    assert.equal(atSize(resnet, 224, 224), resnet);
    assert.deepEqual(atSize(tiny(), 9, 7).nodes, tiny().nodes);
  });
});
