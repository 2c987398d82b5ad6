import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { millrace, temporaryFolder, toyData } from './toy.ts';

describe('millrace', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => {
    folder = await temporaryFolder();
  });
  after(() => folder.remove());
  const has = (summary: object, fields: string) => {
    for (const field of fields.split(' ')) assert.ok(field in summary, field);
  };
  const reference = fileURLToPath(new URL('../golden', import.meta.url));

  it('golden should pass the reference cases and end with the count', async () => {
    const { status, stdout } = await millrace('golden', reference, '--device', 'wasm', '--threads', '1');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^pass {2}conv2d\.0 /m);
    assert.match(stdout, /\n\d+ passed, 0 failed\n$/);
  });

  it('golden should fail a case whose reference was changed, and name what differs', async () => {
    const copy = join(folder.path, 'golden');
    cpSync(reference, copy, { recursive: true });
    const cases = JSON.parse(readFileSync(join(copy, 'ops.json'), 'utf8')) as {
      op: string;
      outputs: { y: string };
      inputs: { x: string };
    }[];
    const relu = cases.filter(({ op }) => op === 'relu').slice(0, 1);
    relu[0].outputs.y = relu[0].inputs.x;
    writeFileSync(join(copy, 'ops.json'), JSON.stringify(relu));
    writeFileSync(join(copy, 'models.json'), '{}');
    const { status, events, summary } = await millrace('golden', copy, '--device', 'cpu', '--json');
    assert.equal(status, 1);
    assert.deepEqual([summary.passed, summary.failed], [0, 1]);
    assert.ok((summary.worst as number) > 1);
    const told = events.find(({ event }) => event === 'case')!;
    assert.deepEqual([told.case, told.pass, told.in], ['relu.0', false, 'y']);
  });

  it('golden should say what is wrong with a folder', async () => {
    const { status, stderr } = await millrace('golden', folder.path, '--device', 'cpu');
    assert.equal(status, 1);
    assert.match(stderr, /ops\.json: expected a file of the reference folder/);
  });

  it('models should list parameters and multiply-accumulates, and the layers of one @smoke', async () => {
    const all = await millrace('models', '--json');
    assert.equal(all.status, 0);
    const list = all.summary.models as { name: string; parameters: number; macs: number }[];
    assert.deepEqual(
      list.find(({ name }) => name === 'resnet50'),
      { name: 'resnet50', input: [224, 224, 3], parameters: 25_557_032, macs: 4_089_184_256, layers: 175 },
    );
    const one = await millrace('models', 'tiny', '--json');
    has(one.summary, 'name parameters macs layers');
    assert.equal(one.summary.parameters, 562);
    assert.match((await millrace('models', 'tiny')).stdout, /conv2d/);
    assert.equal((await millrace('models', 'tiniest')).status, 2);
  });

  it('models --plan should show what a step runs, with what is fused or without', async () => {
    const plan = ['models', 'resnet8', '--plan', '--batch', '4', '--device', 'wasm', '--threads', '1'];
    const { status, stdout } = await millrace(...plan);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /^forward +bn1\+relu +batchNorm2d\/wasm\+relu +\[4,28,28,16\]/m);
    assert.match(stdout, /^backward +layer1\.0\.conv2 +conv2d\.filterGradient\/wasm-winograd-4x4 /m);
    assert.match(stdout, /^update +23 parameters +sgd\.momentum\/wasm /m);
    assert.match(stdout, /^together \d+\.\d+ MiB, and \S+ .iB for kernels$/m);
    const bare = await millrace(...plan, '--no-fuse', '--exact');
    assert.match(bare.stdout, /^forward +relu +relu\/wasm /m);
    assert.doesNotMatch(bare.stdout, /winograd|\+relu/);
    const evaluated = await millrace('models', 'resnet8', '--plan', 'evaluate', '--device', 'cpu', '--json');
    assert.equal(evaluated.summary.mode, 'evaluate');
    assert.match(evaluated.stdout, /"segment":"forward","node":"fc","kernel":"linear ×2","shape":\[32,10\],"bytes":1280/);
    const none = await millrace('models', '--plan');
    assert.equal(none.status, 2);
    assert.match(none.stderr, /--plan: expected a model to plan, got none\. Name it: millrace models resnet18 --plan\./);
  });

  it('devices should tell what auto takes and why others are not there', async () => {
    const { status, summary, stdout } = await millrace('devices', '--json');
    assert.equal(status, 0, stdout);
    const devices = summary.devices as { kind: string; available: boolean; chosen: boolean; reason?: string }[];
    assert.deepEqual(devices.map(({ kind }) => kind).sort(), ['cpu', 'wasm', 'webgpu', 'webgpu:software']);
    assert.equal(devices.filter(({ chosen }) => chosen).length, 1);
    for (const { available, reason, kind } of devices) assert.ok(available || reason, kind);
  });

  it('bench step should time the segments of a step', async () => {
    const args = [
      '--model',
      'tiny',
      '--size',
      '8',
      '--classes',
      '10',
      '--batch',
      '4',
      '--steps',
      '3',
      '--device',
      'wasm',
      '--threads',
      '1',
    ];
    const { status, summary, stderr } = await millrace('bench', 'step', ...args, '--json');
    assert.equal(status, 0, stderr);
    has(summary, 'images_per_s step_ms forward_ms backward_ms update_ms gflops peak_bytes lower_bound_bytes scratch_bytes device threads');
    for (const field of ['step_ms', 'forward_ms', 'backward_ms', 'update_ms', 'gflops', 'peak_bytes'])
      assert.ok((summary[field] as number) > 0, field);
  });

  it('bench data should run the data stages alone', async () => {
    const data = await toyData(join(folder.path, 'toy'), { train: 16, test: 1 });
    const { status, summary, stderr } = await millrace(
      'bench',
      'data',
      '--data',
      data,
      '--size',
      '8',
      '--workers',
      '1',
      '--batch',
      '8',
      '--seconds',
      '0.5',
      '--json',
    );
    assert.equal(status, 0, stderr);
    has(summary, 'images_per_s bytes_per_s workers main_thread main_thread_us stages_us');
    assert.ok((summary.images_per_s as number) > 0);
    assert.ok((summary.main_thread as number) > 0 && (summary.main_thread as number) <= 1);
    assert.ok(Math.abs((summary.bytes_per_s as number) / (summary.images_per_s as number) - 64) < 1);
  });

  it('bench data should say which number of workers it chose', async () => {
    const data = await toyData(join(folder.path, 'auto'), { train: 16, test: 1 });
    const words = ['bench', 'data', '--data', data, '--size', '8', '--batch', '8', '--seconds', '0.2', '--workers'];
    const { status, stdout, stderr } = await millrace(...words, 'auto');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /workers: \d+ of at most \d+ \(1: /);
    const wrong = await millrace(...words, 'some');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /It must be a whole number of 1 or more, or 'auto'/);
  });

  it('bench gemm should time a matrix product', async () => {
    const { status, summary, stderr } = await millrace('bench', 'gemm', '--m', '33', '--n', '17', '--k', '9', '--device', 'cpu', '--json');
    assert.equal(status, 0, stderr);
    assert.ok((summary.gflops as number) > 0);
    assert.equal((await millrace('bench', 'gemm', '--m', '33')).status, 2);
  });

  it('should print help and the version with status 0, and help without a command with 2 @smoke', async () => {
    const help = await millrace('train', '--help');
    assert.equal(help.status, 0);
    for (const flag of ['--model', '--data', '--weight-decay', '--resume', '--json']) assert.match(help.stdout, new RegExp(flag));
    assert.match((await millrace('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal((await millrace()).status, 2);
  });
});
