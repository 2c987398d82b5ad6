import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crossEntropy, graph, trainingProblems } from '../../core/index.ts';
import { problemText, title, type WayRow, wayTable } from '../../pipelines/commands/wayTable.ts';
import { millrace, temporaryFolder } from './toy.ts';

/** Two equal blocks, and one of another shape. */
function blocks() {
  const g = graph('blocks', [8, 8, 4]);
  let x = g.input;
  for (const name of ['a', 'b'])
    x = g.relu(`${name}.relu`, g.conv2d(`${name}.conv`, x, { filters: 4, kernel: 3, padding: 1, bias: false }));
  x = g.conv2d('c', x, { filters: 6, kernel: 1, stride: 2 });
  x = g.dropout('drop1', g.dropout('drop0', g.flatten('flatten', x)));
  return g.output(g.linear('fc', x, { features: 3 }));
}

describe('the problems of a training step', () => {
  const problems = trainingProblems(blocks(), { batch: 2, loss: crossEntropy(), fuse: false });
  const named = (name: string) => problems.filter(({ primitive }) => primitive === name);

  it('should be each op in each pass, equal ones once @smoke', () => {
    assert.deepEqual(
      named('conv2d').map(({ inputs, output, uses, node }) => [inputs.map(({ shape }) => shape), output.shape, uses, node]),
      [
        [
          [
            [2, 8, 8, 4],
            [3, 3, 4, 4],
          ],
          [2, 8, 8, 4],
          2,
          'a.conv',
        ],
        [[[2, 8, 8, 4], [1, 1, 4, 6], [6]], [2, 4, 4, 6], 1, 'c'],
      ],
    );
    // the image needs no gradient
    assert.deepEqual(
      named('conv2d.inputGradient').map(({ uses }) => uses),
      [1, 1],
    );
    assert.deepEqual(
      named('conv2d.filterGradient').map(({ uses }) => uses),
      [1, 2],
    );
    assert.equal(named('relu')[0].uses, 2);
    // their masks differ, their work does not
    assert.deepEqual(
      named('dropout').map(({ uses }) => uses),
      [4],
    );
    assert.equal(named('crossEntropy.gradient').length, 1);
    assert.equal(named('toFloat')[0].inputs[0].dtype, 'u8');
  });

  it('should be those of the fused step unless told', () => {
    const fused = trainingProblems(blocks(), { batch: 2, loss: crossEntropy() });
    assert.deepEqual(fused.filter(({ primitive }) => primitive === 'conv2d').map(title), ['conv2d +relu', 'conv2d']);
  });

  it('should be told in short', () => {
    const text = (name: string, at = 0) =>
      problemText({ ...named(name)[at], inputs: named(name)[at].inputs.map(({ shape }) => shape), output: named(name)[at].output.shape });
    assert.equal(text('conv2d', 1), '2×8×8×4 · 1×1×4×6 /2');
    assert.equal(text('conv2d.inputGradient'), '2×8×8×4 · 1×1×4×6 /2');
    assert.equal(text('conv2d.filterGradient'), '2×8×8×4 · 1×1×4×6 /2');
    assert.equal(text('linear.inputGradient'), '2×96 · 96×3');
    assert.equal(text('relu'), '2×8×8×4');
    assert.equal(text('flatten'), '2×4×4×6 → 2×96');
  });
});

describe('the table of ways', () => {
  const row: WayRow = {
    primitive: 'conv2d',
    attributes: { stride: 2, relu: true },
    inputs: [
      [2, 8, 8, 4],
      [3, 3, 4, 4],
    ],
    output: [2, 4, 4, 4],
    uses: 3,
    node: 'm conv',
    variant: 'conv2d/wasm-gemm',
    chosen: true,
    flops: 1e6,
    bytes: 1e5,
    runs: 3,
    ms: 2,
    gflops: 0.5,
    gb_per_s: 0.05,
    of_limit: 0.25,
    speedup: 4.123,
  };

  it('should keep the ways of a problem together, mark the one that is taken, and say what was left out', () => {
    const none = { ms: null, gflops: null, gb_per_s: null, of_limit: null, speedup: null };
    const [, first, second] = wayTable([row, { ...row, variant: null, chosen: false, ...none }], 120).split('\n');
    assert.match(first, /^conv2d \+relu {2}2×8×8×4 · 3×3×4×4 \/2 {2}\(3\) {2}› wasm-gemm +2\.00 +4\.1 × +0\.5 +0\.1 +25 %$/);
    assert.match(second, /^ +gpu\.js {2,}left out$/);
  });
});

describe('bench kernels', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => {
    folder = await temporaryFolder();
  });
  after(() => folder.remove());
  const tiny = ['bench', 'kernels', '--models', 'tiny:2,resnet8:2', '--size', '8', '--classes', '10', '--device', 'wasm', '--threads', '1'];

  it('should time each variant beside the gpu.js kernels', async () => {
    const out = join(folder.path, 'kernels.json');
    const args = ['--filter', 'relu', '--no-fuse', '--seconds', '0.01', '--peak-gflops', '50', '--peak-bandwidth', '20', '--out', out];
    const { status, stderr, events, summary } = await millrace(...tiny, ...args, '--json');
    assert.equal(status, 0, stderr);
    const rows = events.filter(({ event }) => event === 'kernel') as unknown as WayRow[];
    assert.equal(rows.length, summary.rows);
    assert.deepEqual([...new Set(rows.map(({ primitive }) => primitive))].sort(), ['relu', 'relu.inputGradient']);
    assert.deepEqual([...new Set(rows.map(({ variant }) => String(variant)))].sort(), ['null', 'relu.inputGradient/wasm', 'relu/wasm']);
    for (const { ms, runs, chosen, variant, speedup } of rows) {
      assert.ok(ms !== null && ms >= 0 && runs >= 1);
      assert.equal(chosen, variant !== null);
      assert.ok(speedup !== null);
    }
    assert.equal(JSON.parse(readFileSync(out, 'utf8')).kernels.length, rows.length);
  });

  it('should leave out gpu.js kernels that would take too long, and say so', async () => {
    const args = [
      '--filter',
      'conv2d.filterGradient',
      '--seconds',
      '0.001',
      '--patience',
      '0.000001',
      '--peak-gflops',
      '50',
      '--peak-bandwidth',
      '20',
    ];
    const { status, stdout, stderr } = await millrace(...tiny, ...args);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /gpu\.js +left out$/m);
    assert.match(stdout, /\n\d+ gpu\.js kernels were left out: expected to take more than 0\.000001 s \(--patience\)\n$/);
  });

  it('should tell what can be filtered, and how models are given', async () => {
    const unknown = await millrace(...tiny, '--filter', 'rleu');
    assert.equal(unknown.status, 2);
    assert.match(unknown.stderr, /^millrace: --filter: expected a part of one of .*conv2d\.filterGradient.*, got "rleu"/);
    const models = await millrace('bench', 'kernels', '--models', 'tiny');
    assert.equal(models.status, 2);
    assert.match(models.stderr, /models with batch sizes, such as alexnet:16,resnet50:8/);
  });
});
