/**
 * The training steps of `bench step` beside other libraries, in turns within one run: A B C A B C …, so that a disturbed
 * machine disturbs all of them. Prints images/s, and how many times ours are theirs.
 *
 *   npx tsx spec/bench/peers/run.ts --model resnet18 --size 224 --batch 8 --threads 2 [--peers torch,tfjs-cpu] [--rounds 5]
 *
 * PyTorch is whatever `--python` has. The JavaScript packages are those of the package.json beside this file, installed in a
 * copy of it elsewhere that `--packages` names (or here: node_modules is not committed):
 *
 *   mkdir /tmp/peers && cp spec/bench/peers/package.json /tmp/peers/ && npm install --prefix /tmp/peers
 *
 * All run the same graph with the same loss and optimizer in 32-bit floats. PyTorch and the JavaScript libraries get their
 * images as floats on the device; ours uploads bytes and converts them in every step.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import { type Contender, contenders, defaultPeers, ours, type PeerName, peerNames } from './contenders.ts';
import { type Job, type JobOptions, makeJob, smallerJobs } from './job.ts';
import { Peer } from './peer.ts';
import { type Failed, type Measured, report, reportTable } from './report.ts';

const positive = (text: string): number => {
  if (Number(text) > 0) return Number(text);
  throw new Error(`expected a number above 0, got "${text}"`);
};
interface Options extends JobOptions {
  readonly peers?: readonly PeerName[];
  readonly rounds: number;
  readonly turn: number;
  readonly patience: number;
  readonly python: string;
  readonly packages: string;
  readonly json?: boolean;
  readonly out?: string;
}
const options = new Command('peers')
  .option('--model <NAME>', 'a model of the registry', 'resnet18')
  .option('--size <PX>', 'height and width of the images', positive, 224)
  .option('--batch <N>', 'images a step', positive, 8)
  .option('--channels <N>', 'of the images', positive, 3)
  .option('--classes <N>', 'of the last layer', positive, 1000)
  .option('--device <NAME>', 'ours; with webgpu, PyTorch takes CUDA', 'wasm')
  .option('--threads <N>', 'of ours and of PyTorch', positive, availableParallelism())
  .addOption(
    new Option('--peers <LIST>', `of ${peerNames.join(', ')} (default: all that fit the device)`).argParser(text =>
      text.split(',').map(name => {
        const found = peerNames.find(each => each === name);
        if (!found) throw new Error(`--peers: expected some of ${peerNames.join(', ')}, got "${name}"`);
        return found;
      }),
    ),
  )
  .option('--rounds <N>', 'turns of each', positive, 5)
  .option('--turn <S>', 'seconds of a turn; at least a step', positive, 2)
  .option('--patience <S>', 'seconds that a step may take; slow libraries get a smaller one', positive, 20)
  .option('--python <FILE>', 'an interpreter with torch', '/usr/bin/python3')
  .option('--packages <DIR>', 'where the JavaScript libraries are installed', fileURLToPath(new URL('.', import.meta.url)))
  .option('--json', 'one JSON object a line')
  .option('--out <FILE>', 'writes the summary there, too')
  .parse()
  .opts<Options>();

/** Compilers and first touches: more than a step may take. */
const startMs = 120_000;
const say = (text: string) => options.json || console.log(text);
const event = (name: string, fields: object) => options.json && console.log(JSON.stringify({ event: name, ...fields }));

interface Running {
  readonly contender: Contender;
  readonly peer: Peer;
  readonly steps: number;
  readonly ms: number[];
}

/** Starts a contender on a job and lets it warm up; milliseconds of a step. */
async function begin(contender: Contender, job: Job, patienceMs: number): Promise<{ peer: Peer; ms: number }> {
  const peer = await Peer.start(contender.command, job, startMs);
  try {
    await peer.run(1, patienceMs + startMs);
    return { peer, ms: await peer.run(1, patienceMs) };
  } catch (error) {
    peer.close();
    throw error;
  }
}

/**
 * The largest job that a slow contender does within the patience: from the smallest up, as long as the line through the last
 * two (a step has work that does not grow with its images: the update) says that the next one will do.
 */
async function fitting(contender: Contender, whole: Job): Promise<{ peer: Peer; ms: number }> {
  const patienceMs = options.patience * 1000;
  if (!contender.slow) return begin(contender, whole, 5 * patienceMs);
  const [first, ...larger] = [...smallerJobs(options), whole].sort((a, b) => a.flops - b.flops);
  let best = await begin(contender, first, 2 * patienceMs);
  let before = { flops: 0, ms: 0 };
  for (const job of larger) {
    const now = { flops: best.peer.job.flops, ms: best.ms };
    const slope = (now.ms - before.ms) / (now.flops - before.flops);
    if (now.ms + slope * (job.flops - now.flops) > patienceMs) break;
    best.peer.close();
    best = await begin(contender, job, 3 * patienceMs);
    before = now;
  }
  return best;
}

const whole = makeJob(options);
const names = options.peers ?? defaultPeers(options, options.packages);
const running: Running[] = [];
const failed: Failed[] = [];
say(`${whole.model}, batch ${whole.batch} at ${whole.size} px, ${(whole.flops / 1e9).toFixed(1)} GFLOP a step, ${options.rounds} rounds`);
try {
  for (const contender of [ours, ...contenders(names, options.python, options.packages)]) {
    try {
      const { peer, ms } = await fitting(contender, whole);
      const steps = Math.max(1, Math.round((options.turn * 1000) / ms));
      running.push({ contender, peer, steps, ms: [] });
      say(`ready   ${contender.name}: ${peer.about}`);
    } catch (error) {
      const cannot = (error as Error).message;
      failed.push({ name: contender.name, cannot });
      event('cannot', { name: contender.name, cannot });
      if (contender === ours) throw error;
    }
  }
  for (let round = 0; round < options.rounds; round++) {
    for (const each of running) {
      if (failed.some(({ name }) => name === each.contender.name)) continue;
      try {
        const ms = await each.peer.run(each.steps, 5 * options.patience * 1000 * each.steps);
        each.ms.push(ms);
        event('turn', { round, name: each.contender.name, ms, steps: each.steps });
      } catch (error) {
        failed.push({ name: each.contender.name, cannot: (error as Error).message });
      }
    }
  }
} finally {
  for (const { peer } of running) peer.close();
}

const measured = running
  .filter(({ ms }) => ms.length > 0)
  .map(({ contender, peer, ms }): Measured => {
    const { size, batch, flops } = peer.job;
    return { name: contender.name, about: peer.about, javascript: contender.javascript, size, batch, flops, ms };
  });
const rows = report(measured);
say(reportTable(rows, failed, process.stdout.columns ?? 140));
const summary = { model: whole.model, size: whole.size, batch: whole.batch, threads: whole.threads, device: whole.device, rows, failed };
event('summary', summary);
if (options.out) writeFileSync(options.out, `${JSON.stringify({ ...summary, measured }, null, 2)}\n`);
