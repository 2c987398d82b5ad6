import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unwritable, writeAtomically } from '../../../core/checkpoint/atomic.ts';
import {
  type CheckpointFacts,
  checkpointBytes,
  optimizerBytes,
  readCheckpoint,
  readOptimizer,
  readWeights,
} from '../../../core/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../../../core/formats/safetensors.ts';
import { tiny } from '../../../models/index.ts';

describe('checkpoints', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-checkpoint-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const facts: CheckpointFacts = {
    graph: tiny({ classes: 2, size: 8, channels: 1 }),
    classes: ['dark', 'light'],
    normalization: { mean: [0.25], std: [0.5] },
    epoch: 3,
    step: 40,
    consumed: 16,
    state: { seed: 7, epoch: 3, position: 15, buffer: 8, consumed: 16, batches: 2 },
    seed: 7,
    device: 'wasm, 1 thread',
  };
  const tensors = new Map([
    ['conv.weight', { shape: [2, 1, 1, 1], data: Float32Array.of(0.5, -1) }],
    ['bn.running_mean', { shape: [2], data: Float32Array.of(3, 4) }],
  ]);
  const write = (name: string, bytes: Uint8Array) => {
    const path = join(dir, name);
    writeFileSync(path, bytes);
    return path;
  };

  it('should give back what was written @smoke', async () => {
    const { tensors: read, ...rest } = await readCheckpoint(write('checkpoint.safetensors', checkpointBytes(facts, tensors)));
    assert.deepEqual(rest, facts);
    assert.deepEqual([...read], [...tensors]);
  });

  it('should be a safetensors file of the tensors alone to others', async () => {
    assert.deepEqual([...(await readWeights(write('w', checkpointBytes(facts, tensors)))).keys()], ['conv.weight', 'bn.running_mean']);
  });

  it('should leave integer counters of other programs out', async () => {
    const file = writeSafetensors([
      ['bn.num_batches_tracked', { dtype: 'I64', shape: [], data: BigInt64Array.of(5n) }],
      ['bn.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }],
    ]);
    assert.deepEqual([...(await readWeights(write('w', file))).keys()], ['bn.weight']);
  });

  it("should refuse another program's file as a checkpoint, and say how its weights come in", async () => {
    const path = write('other', writeSafetensors([['a', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]));
    await assert.rejects(
      readCheckpoint(path),
      /other: expected metadata of format millrace-checkpoint\/1, got a safetensors file without it\. .*--weights FILE/,
    );
  });

  it('should refuse a file that is cut off', async () => {
    const bytes = checkpointBytes(facts, tensors);
    await assert.rejects(readCheckpoint(write('cut', bytes.subarray(0, bytes.length - 4))), { kind: 'data' });
  });

  it('should refuse optimizer state of another step', async () => {
    const path = write('o', optimizerBytes(39, tensors));
    assert.deepEqual([...(await readOptimizer(path, 39))], [...tensors]);
    await assert.rejects(
      readOptimizer(path, 40),
      /expected the optimizer's state of step 40, as the checkpoint beside it, got that of step 39\./,
    );
  });
});

describe('writeAtomically', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-atomic-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('should replace files and leave nothing else @smoke', async () => {
    writeFileSync(join(dir, 'a'), 'old');
    await writeAtomically([
      [join(dir, 'a'), 'new'],
      [join(dir, 'b'), Uint8Array.of(1, 2)],
    ]);
    assert.equal(readFileSync(join(dir, 'a'), 'utf8'), 'new');
    assert.deepEqual((await readdir(dir)).sort(), ['a', 'b']);
  });

  it('should leave everything as it was when one of the files cannot be written', async () => {
    writeFileSync(join(dir, 'a'), 'old');
    const files: [string, string][] = [
      [join(dir, 'a'), 'new'],
      [join(dir, 'missing', 'b'), 'new'],
    ];
    await assert.rejects(writeAtomically(files), /missing\/b: expected a place that can be written, got a folder that is not there/);
    assert.equal(readFileSync(join(dir, 'a'), 'utf8'), 'old');
    assert.deepEqual(await readdir(dir), ['a']);
  });

  it('should leave no temporary file when the place is taken by a folder', async () => {
    mkdirSync(join(dir, 'a'));
    await assert.rejects(writeAtomically([[join(dir, 'a'), 'new']]), { kind: 'data' });
    assert.deepEqual(await readdir(dir), ['a']);
  });

  it('should say it plainly when the disk is full', () => {
    const error = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    assert.match(unwritable('runs/x', error).message, /^runs\/x: expected a place that can be written, got a full disk\. Free some space/);
  });
});
