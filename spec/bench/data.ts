/**
 * The data stages against PyTorch's DataLoader and against a bare loop of sharp calls, alternating in one run, on files like
 * ImageNet's: randomResizedCrop(224), flip, normalise. `npx tsx spec/bench/data.ts [--workers 2] [--rounds 3] [--python python3]`
 * With larger ones, `--photo 2000x1500`, also against our own stages that decode each in full.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makePhotos } from './photos.ts';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    python: { type: 'string', default: '/usr/bin/python3' },
    photo: { type: 'string', default: '500x375' },
    json: { type: 'boolean', default: false },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'millrace-photos-'));
const beside = (name: string) => new URL(name, import.meta.url).pathname;
const { workers, seconds } = values;
const [width, height] = values.photo.split('x').map(Number);
const large = width > 500;
const ours = [beside('../../pipelines/bin.ts'), 'bench', 'data', '--data', folder, '--size', '224', '--json'];
const millrace = [process.execPath, '--import', 'tsx', ...ours, '--workers', workers, '--seconds', seconds];
const contestants: Record<string, readonly string[]> = {
  millrace,
  ...(large && { 'in full': [...millrace, '--shrink-on-load', 'never'] }),
  DataLoader: [values.python, beside('peers/dataloader.py'), folder, workers, seconds],
  'sharp loop': [process.execPath, '--import', 'tsx', beside('peers/sharpLoop.ts'), folder, workers, seconds],
};

try {
  await makePhotos(folder, { width, height, ...(large && { different: 12 }) });
  const rates: Record<string, number[]> = {};
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [name, command] of Object.entries(contestants)) {
      const rate = await measure(command);
      if (rate === undefined) console.error(`${name}: cannot run here (${command.join(' ')})`);
      else rates[name] = [...(rates[name] ?? []), rate];
    }
  }
  const median = (all: readonly number[]) => [...all].sort((a, b) => a - b)[all.length >> 1];
  const own = median(rates.millrace);
  for (const [name, all] of Object.entries(rates)) {
    const rate = median(all);
    if (values.json) console.log(JSON.stringify({ name, images_per_s: rate, all, ratio: own / rate, workers: Number(workers) }));
    else
      console.log(
        `${name.padEnd(12)} ${rate.toFixed(0).padStart(6)} images/s   millrace is ${(own / rate).toFixed(2)} ×   (${all.map(Math.round)})`,
      );
  }
} finally {
  await rm(folder, { recursive: true });
}

/** The `images_per_s` of the last JSON line that a command prints; undefined if it fails. */
function measure([program, ...args]: readonly string[]): Promise<number | undefined> {
  return new Promise(resolve => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.on('data', chunk => {
      text += chunk;
    });
    child.on('error', () => resolve(undefined));
    child.on('close', status => resolve(status === 0 ? JSON.parse(text.trim().split('\n').at(-1)!).images_per_s : undefined));
  });
}
