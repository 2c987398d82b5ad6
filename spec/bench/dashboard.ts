/**
 * What the dashboard costs a training run: without it, with it and no page open, and with a page that takes every event. In turns,
 * medians of images/s over the steps behind the warm-up.
 *
 *   npx tsx spec/bench/dashboard.ts [ROUNDS] [STEPS]
 *
 * The budget: under 1 % with a page, nothing without.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from '../../pipelines/commands/median.ts';

const [rounds = '3', steps = '150'] = process.argv.slice(2);
const warmUp = 40;
const root = fileURLToPath(new URL('../..', import.meta.url));
const ways = ['without', 'closed', 'open'] as const;
const folder = await mkdtemp(join(tmpdir(), 'millrace-dashboard-'));
const rates: Record<(typeof ways)[number], number[]> = { without: [], closed: [], open: [] };
let runs = 0;
try {
  for (let round = 0; round < Number(rounds); round++) {
    // each way comes first, second and last
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length]!;
      rates[way].push(await rateOf(way));
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
const without = median(rates.without);
for (const way of ways) {
  const share = 100 * (median(rates[way]) / without - 1);
  const all = rates[way].map(each => each.toFixed(0)).join(' ');
  console.log(`${way.padEnd(8)} ${median(rates[way]).toFixed(1)} images/s  ${share >= 0 ? '+' : ''}${share.toFixed(2)} %  (${all})`);
}

/** Images a second of one run in its own process. */
async function rateOf(way: (typeof ways)[number]): Promise<number> {
  const out = join(folder, String(runs++));
  const page = way === 'without' ? [] : ['--dashboard', '8700'];
  const args = [
    '--import',
    'tsx',
    'pipelines/bin.ts',
    'train',
    '--device',
    'wasm',
    '--workers',
    '1',
    '--steps',
    steps,
    '--out',
    out,
    '--json',
    ...page,
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  let heard = '';
  child.stdout.on('data', (chunk: Buffer) => {
    if (heard === 'all') return;
    heard += chunk;
    const url = heard.match(/"url":"(http:[^#"]+)/)?.[1];
    if (!url || way !== 'open') return;
    heard = 'all';
    void (async () => {
      const { body } = await fetch(`${url}events`);
      for await (const piece of body!) bytes += (piece as Uint8Array).length;
    })().catch(() => undefined);
  });
  const status = await new Promise(resolve => child.on('close', resolve));
  if (status !== 0 || (way === 'open' && bytes === 0)) throw new Error(`${way}: the run ended with ${status}, ${bytes} bytes of events`);
  const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  const measured = lines.filter(({ event, step }) => event === 'step' && step > warmUp);
  const sum = (field: 'images' | 'seconds') => measured.reduce((total, each) => total + each[field], 0);
  return sum('images') / sum('seconds');
}
