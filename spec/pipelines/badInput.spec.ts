import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describeDevices } from '../../core/index.ts';
import { shippedData } from '../../pipelines/shippedData.ts';
import { hugePng } from './hugePng.ts';
import { millrace, small, temporaryFolder, toyData } from './toy.ts';

describe('bad input', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  let copies = 0;
  const runs = () => join(folder.path, 'runs');
  /** A copy of the data with something wrong in it. */
  const spoiled = (spoil: (dir: string) => void): string => {
    const dir = join(folder.path, `copy-${++copies}`);
    cpSync(data, dir, { recursive: true });
    spoil(dir);
    return dir;
  };
  /** Fails with that status and one plain paragraph, and leaves nothing behind. */
  const refuses = async (status: number, message: RegExp, ...args: string[]) => {
    const out = join(runs(), 'run');
    const result = await millrace('train', '--data', data, ...small, '--out', out, ...args);
    assert.match(result.stderr, message);
    assert.equal(result.status, status, result.stderr);
    assert.match(result.stderr, /^(bad sample .*\n)*millrace: .+\.\n$/, 'one paragraph');
    assert.ok(!existsSync(runs()), 'no run folder is left');
  };

  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'), { train: 12, test: 3 });
  });
  after(() => folder.remove());

  it('should refuse a folder that is missing, empty or unrecognisable @smoke', async () => {
    await refuses(1, /nowhere: expected a folder.*got nothing of that name/, '--data', join(folder.path, 'nowhere'));
    const empty = spoiled(dir => mkdirSync(join(dir, 'empty')));
    await refuses(1, /empty: expected one of: train-images-idx3-ubyte.*got an empty folder/, '--data', join(empty, 'empty'));
    const text = join(folder.path, 'text');
    mkdirSync(text);
    writeFileSync(join(text, 'notes.txt'), 'hello');
    await refuses(1, /text: expected one of: .*image folders.*got notes\.txt/, '--data', text);
  });

  it('should refuse a folder with one class', async () => {
    const one = join(folder.path, 'one');
    for (const split of ['train', 'test']) cpSync(join(data, split, 'dark'), join(one, split, 'dark'), { recursive: true });
    await refuses(1, /one.*expected at least two class folders, got one, "dark"/, '--data', one);
  });

  const samples: Readonly<Record<string, (file: string) => void>> = {
    'a truncated PNG': file => truncateSync(file, 60),
    'an empty file': file => truncateSync(file, 0),
    'a text file named .png': file => writeFileSync(file, 'not a picture at all, only words in a file'),
    'an image of 30,000 × 30,000': file => writeFileSync(file, hugePng(30_000)),
  };
  for (const [what, spoil] of Object.entries(samples)) {
    it(`should name ${what} and leave nothing`, async () => {
      const dir = spoiled(copy => spoil(join(copy, 'train', 'light', '3.png')));
      await refuses(1, /light\/3\.png".*Repair or remove it, or go on without it: --on-error skip\./s, '--data', dir, '--batch', '24');
    });

    it(`should go on without ${what} when asked to`, async () => {
      const dir = spoiled(copy => spoil(join(copy, 'train', 'light', '3.png')));
      const out = join(folder.path, `skipping-${copies}`);
      const result = await millrace('train', '--data', dir, ...small, '--on-error', 'skip', '--out', out, '--json');
      assert.equal(result.status, 0, result.stderr);
      assert.equal(result.summary.skipped, 1);
      assert.match(result.stderr, /bad sample ".*light\/3\.png": .+/);
      assert.equal(result.events.filter(({ event }) => event === 'bad').length, 1);
      assert.match(readFileSync(join(out, 'metrics.jsonl'), 'utf8'), /"event":"bad".*light\/3\.png/);
    });
  }

  it('should take what can be read of a damaged JPEG, and count it apart', async () => {
    const noise = Buffer.from(Array.from({ length: 32 * 32 }, (_, i) => Math.imul(i, 2654435761) >>> 24));
    const jpeg = await sharp(noise, { raw: { width: 32, height: 32, channels: 1 } })
      .jpeg()
      .toBuffer();
    const dir = spoiled(copy => {
      rmSync(join(copy, 'train', 'light', '3.png'));
      writeFileSync(join(copy, 'train', 'light', '3.jpg'), jpeg.subarray(0, jpeg.length * 0.7));
    });
    const args = ['train', '--data', dir, ...small, '--json'];
    const result = await millrace(...args, '--out', join(folder.path, 'damaged'));
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual([result.summary.skipped, result.summary.warned], [0, 1]);
    assert.match(result.stderr, /^damaged sample ".*light\/3\.jpg": it is damaged or cut short \(VipsJpeg: premature end of JPEG image\)/m);
    const [told] = result.events.filter(({ event }) => event === 'bad');
    assert.equal(told.warning, true);
    const strict = await millrace(...args, '--fail-on', 'truncated', '--on-error', 'skip', '--out', join(folder.path, 'strict'));
    assert.deepEqual([strict.status, strict.summary.skipped, strict.summary.warned], [0, 1, 0]);
  });

  it('should say that nothing was left when all samples are bad', async () => {
    await refuses(
      1,
      /batch\(8\): expected at least 8 samples an epoch, got 0 and 24 bad ones\. See what is wrong with the samples that were reported\.\n$/,
      ...['--pixel-limit', '60', '--on-error', 'skip'],
    );
  });

  it('should warn of what is odd about a folder, in train and in data', async () => {
    const dir = spoiled(copy => {
      rmSync(join(copy, 'test'), { recursive: true });
      symlinkSync('train', join(copy, 'test'));
      cpSync(join(shippedData(), 'train-000.tar.gz'), join(copy, 'train-000.tar.gz'));
    });
    const warnings = [
      `${dir} also holds folders: taken is shards. To choose: --layout shards or folders`,
      `${join(dir, 'train')} and ${join(dir, 'test')} are the same folder: accuracy will be that on the training images`,
    ];
    const about = await millrace('data', dir, '--json');
    assert.deepEqual((about.summary.splits as { warnings: string[] }[])[0].warnings, warnings.slice(0, 1));
    assert.match(about.stderr, /^warning: .* also holds folders: taken is shards\./m);
    const chosen = await millrace('data', dir, '--layout', 'folders', '--json');
    assert.deepEqual(
      (chosen.summary.splits as { warnings: string[] }[]).map(each => each.warnings),
      [[], warnings.slice(1)],
    );
    const result = await millrace('train', '--data', dir, '--layout', 'folders', ...small, '--out', join(folder.path, 'odd'), '--json');
    assert.equal(result.status, 0, result.stderr);
    assert.equal(result.stderr, `warning: ${warnings[1]}\n`);
    assert.deepEqual(result.events.find(({ event }) => event === 'start')?.warnings, warnings.slice(1));
  });

  it('should refuse a truncated tar', async () => {
    const shards = join(folder.path, 'shards');
    cpSync(shippedData(), shards, { recursive: true });
    truncateSync(join(shards, 'train-000.tar.gz'), 300_000);
    await refuses(1, /train-000\.tar\.gz: expected/, '--data', shards, '--model', 'resnet8', '--batch', '1500');
  });

  it('should refuse models that are not there or not right', async () => {
    await refuses(2, /model: expected one of alexnet.*got "resnet81"\. Did you mean "resnet18"\?/, '--model', 'resnet81');
    await refuses(2, /--model: expected a file.*no\.json/, '--model', join(folder.path, 'no.json'));
    const graph = (name: string, change: (nodes: { name: string; op: string; inputs: string[]; attributes?: object }[]) => void) => {
      const nodes = [
        { name: 'conv1', op: 'conv2d', attributes: { filters: 4, kernel: 3 }, inputs: ['input'] },
        { name: 'flatten', op: 'flatten', inputs: ['conv1'] },
        { name: 'fc', op: 'linear', attributes: { features: 2 }, inputs: ['flatten'] },
      ];
      change(nodes);
      const file = join(folder.path, `${name}.json`);
      writeFileSync(file, JSON.stringify({ format: 'millrace-graph/1', name, input: [8, 8, 1], nodes, output: 'fc' }));
      return ['--model', file];
    };
    await refuses(
      1,
      /conv1.*expected a known op, got "conv3d".*Did you mean "conv2d"\?/s,
      ...graph('unknown', nodes => (nodes[0].op = 'conv3d')),
    );
    await refuses(1, /cycle/, ...graph('cycle', nodes => (nodes[0].inputs = ['flatten'])));
    await refuses(1, /flatten.*conv9/s, ...graph('missing', nodes => (nodes[1].inputs = ['conv9'])));
    await refuses(1, /conv1.*groups/s, ...graph('channels', nodes => (nodes[0].attributes = { filters: 4, kernel: 3, groups: 3 })));
    await refuses(1, /expected 2 classes, got 5/, ...graph('classes', nodes => (nodes[2].attributes = { features: 5 })));
  });

  it('should refuse a batch larger than the data @smoke', () =>
    refuses(2, /--batch: expected at most 24, the number of training images, got 25/, '--batch', '25'));

  it('should refuse a device that is not there', async () => {
    const [{ available }] = await describeDevices();
    if (available) return;
    await refuses(1, /device "webgpu": expected a hardware adapter, got none/, '--device', 'webgpu');
  });

  it('should refuse options that are wrong, and say what was meant @smoke', async () => {
    await refuses(2, /unknown option '--epoch' \(Did you mean --epochs\?\)/, '--epoch', '3');
    await refuses(2, /--device: expected one of auto, webgpu, webgpu:software, wasm, cpu, got "gpu"/, '--device', 'gpu');
    await refuses(2, /--batch: expected a number, got something that is not a number/, '--batch', 'many');
    await refuses(2, /--steps: expected a whole number, got 1\.5/, '--steps', '1.5');
    await refuses(2, /--workers: expected a number of 1 or more, or auto, got something that is not a number/, '--workers', 'many');
    await refuses(2, /--workers: expected a number of 1 or more, or auto, got 0/, '--workers', '0');
    await refuses(2, /--epochs: expected at least 1, got 0/, '--epochs', '0');
    await refuses(2, /--lr: expected more than 0, got -1/, '--lr', '-1');
    await refuses(2, /--resume: expected the folder of a run/, '--resume', data);
    await refuses(2, /no\.ts: expected a file with a pipeline/, 'no.ts');
    const { status, stderr } = await millrace('trane');
    assert.deepEqual([status, /unknown command 'trane' \(Did you mean train\?\)/.test(stderr)], [2, true]);
  });

  it('should refuse places that cannot be written or are taken', async () => {
    await refuses(2, /--out: expected a new or an empty folder, got .*toy, which holds/, '--out', data);
    await refuses(
      1,
      /expected a place that can be written, got a file in the place of a folder/,
      '--out',
      join(data, 'train', 'dark', '0.png', 'run'),
    );
  });

  it('should refuse checkpoints that are damaged or of other data', async () => {
    const out = join(folder.path, 'good');
    await millrace('train', '--data', data, ...small, '--steps', '1', '--out', out);
    const file = join(out, 'checkpoint.safetensors');
    const evaluate = (...args: string[]) => millrace('evaluate', ...args, '--device', 'wasm', '--threads', '1');
    assert.match(
      (await evaluate(file, '--data', shippedData())).stderr,
      /expected the classes of the checkpoint: 2 \(dark, light\), got 10/,
    );
    truncateSync(file, 1000);
    const { status, stderr } = await evaluate(out);
    assert.equal(status, 1);
    assert.match(stderr, /checkpoint\.safetensors.*expected/);
    assert.match((await evaluate(join(folder.path, 'none'))).stderr, /none: expected a checkpoint, got nothing of that name/);
    assert.deepEqual(
      (await readdir(out)).filter(name => name.includes('part')),
      [],
    );
  });
});
