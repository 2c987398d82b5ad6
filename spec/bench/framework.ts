/**
 * What the stages themselves cost an image, on the main thread, when nobody decodes: every stage of a training pipeline up to the
 * batch, with tasks that end at once.
 *
 *   npx tsx spec/bench/framework.ts
 *
 * The budget is 20 microseconds an image over all stages together. Exit status 1 if it is not enough.
 */
import { lastValueFrom } from 'rxjs';
import { pull } from '../../core/data/pull.ts';
import type { TaskEnd, TaskPool } from '../../core/pool/taskPool.ts';
import type { DecodeInput, DecodeOutput } from '../../core/tasks/decodeImage.ts';
import { augment, batch, decode, epochs, horizontalFlip, normalize, randomResizedCrop, shuffle } from '../../operators/index.ts';

const IMAGES = 20_000;
const BUDGET_US = 20;
const [height, width] = [8, 8];

/** As many tasks at work as a pool has workers; each ends in a later turn, with others of its chunk. */
class IdlePool implements TaskPool {
  readonly workers = 2;
  #chunk: (() => void)[] = [];
  submit<Input, Output>(_task: string, input: Input, done: (end: TaskEnd<Output>) => void) {
    const { cell } = input as DecodeInput;
    const upright = { height, width };
    const larger = cell.byteLength < height * width * 3 ? new SharedArrayBuffer(height * width * 3) : undefined;
    const value: DecodeOutput = { ok: true, height, width, channels: 3, upright, larger, decoder: 'none' };
    if (this.#chunk.length === 0) setImmediate(() => this.#end());
    this.#chunk.push(() => done({ ok: true, value: value as Output, busyMs: 0 }));
    return { cancel: () => false };
  }
  #end(): void {
    for (const end of this.#chunk.splice(0)) end();
  }
  async close(): Promise<void> {}
}

async function round(): Promise<number> {
  const pool = new IdlePool();
  function* found() {
    for (let index = 0; index < IMAGES; index++) yield { key: 'image', label: 0, index, picture: { kind: 'file' as const, path: 'image' } };
  }
  const began = process.cpuUsage();
  await lastValueFrom(
    pull(found).pipe(
      epochs(1, { seed: 1 }),
      shuffle({ buffer: 1024 }),
      decode({ pool }),
      augment([randomResizedCrop(224), horizontalFlip(), normalize({ mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] })]),
      batch(128, { dropLast: true }),
    ),
  );
  const { user, system } = process.cpuUsage(began);
  return (user + system) / IMAGES;
}

const rounds: number[] = [];
for (let i = 0; i < 7; i++) rounds.push(await round());
const median = rounds.toSorted((a, b) => a - b)[rounds.length >> 1];
console.log(`${rounds.map(us => us.toFixed(1)).join(', ')} µs an image; median ${median.toFixed(1)} of ${BUDGET_US} allowed`);
if (median > BUDGET_US) process.exitCode = 1;
