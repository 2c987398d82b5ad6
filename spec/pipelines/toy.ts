import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { run } from '../../pipelines/commandLine.ts';

/** A folder for one spec file's data and runs. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-spec-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Dark and light pictures of 8 × 8 grey pixels with some texture: `tiny` learns them within a few steps. */
export async function toyData(dir: string, { train = 40, test = 10 } = {}): Promise<string> {
  for (const [split, count] of Object.entries({ train, test })) {
    for (const [name, level] of Object.entries({ dark: 60, light: 160 })) {
      await mkdir(join(dir, split, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const pixels = Uint8Array.from({ length: 64 }, (_, j) => level + ((i * 29 + j * 13) % 80) - 20);
        const picture = sharp(pixels, { raw: { width: 8, height: 8, channels: 1 } }).toColourspace('b-w');
        await picture.png().toFile(join(dir, split, name, `${i}.png`));
      }
    }
  }
  return dir;
}

/** The fields that specs compare. */
export interface Summary {
  readonly [field: string]: unknown;
  readonly loss: number;
  readonly held_out_loss: number;
}
export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout with --json. */
  readonly events: readonly Record<string, unknown>[];
  /** The last of them. */
  readonly summary: Summary;
}

/** Runs a command line in this process. */
export async function millrace(...args: readonly string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const sink = (name: 'stdout' | 'stderr') => ({
    write(text: string) {
      written[name] += text;
      return true;
    },
    on: () => undefined,
  });
  const status = await run(args, { stdout: sink('stdout'), stderr: sink('stderr') });
  const lines = args.includes('--json') ? written.stdout.split('\n').filter(Boolean) : [];
  const events = lines.map(line => JSON.parse(line) as Record<string, unknown>);
  return { status, ...written, events, summary: (events.at(-1) ?? {}) as Summary };
}

/** The records of a run's metrics; a line that is being written is left out. */
export function metricsOf<Line = Record<string, number | string>>(run: string): Line[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n').slice(0, -1);
  return lines.map(line => JSON.parse(line) as Line);
}

/** What makes a training run short. */
export const small = ['--model', 'tiny', '--device', 'wasm', '--threads', '1', '--workers', '1', '--batch', '8', '--epochs', '2'] as const;
