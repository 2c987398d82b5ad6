import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { Observable } from 'rxjs';
import { pack } from 'tar-stream';
import { Demand } from '../core/data/demand.ts';
import type { Sample } from '../core/data/sample.ts';

/** A fresh folder for each test of the surrounding `describe`, removed after it. */
export function useTemporaryFolder(): { path(...below: string[]): string } {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'millrace-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  return { path: (...below) => join(dir, ...below) };
}

/** Writes files by their paths below `dir`, with the folders they need. */
export async function writeFiles(dir: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
}

/** A tar archive of these entries in this order. */
export async function tarOf(entries: readonly (readonly [name: string, content: string | Uint8Array])[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of entries) archive.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  archive.finalize();
  return collect(archive);
}

/** The entries of `count` samples, `0000.png` and `0000.cls` and so on; labels go round 0, 1, 2. */
export function shardEntries(count: number, from = 0): (readonly [string, string])[] {
  return Array.from({ length: count }, (_, i) => {
    const key = String(from + i).padStart(4, '0');
    return [[`${key}.png`, `picture ${from + i}`] as const, [`${key}.cls`, `${(from + i) % 3}\n`] as const];
  }).flat();
}

/** An IDX file: items of uint8, or whatever `code` says. */
export function idxOf(dims: readonly number[], items: Iterable<number>, code = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header[2] = code;
  header[3] = dims.length;
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, Buffer.from([...items])]);
}

/** The files below `dir` that this process has open; undefined where the system does not say. */
export async function openFilesBelow(dir: string): Promise<string[] | undefined> {
  const table = await readdir('/proc/self/fd').catch(() => undefined);
  if (!table) return undefined;
  const targets = await Promise.all(table.map(fd => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return targets.filter(target => target.startsWith(dir));
}

/** Resolves once `condition` holds; fails the test by its time limit otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 2));
}

/** Lets a letter of a marble diagram into the pipeline as a sample, as a source does: a place for the time of `next`. */
export function admitted(
  letters: Observable<string>,
  demand: Demand = new Demand(),
  stamp: { epoch?: (letter: string) => number; seed?: number } = {},
): Observable<Sample> {
  return new Observable(subscriber => {
    let index = 0;
    return letters.subscribe({
      next: letter => {
        const lease = demand.enter();
        const epoch = stamp.epoch?.(letter) ?? 0;
        subscriber.next({
          key: letter,
          label: 0,
          index,
          position: index++,
          epoch,
          seed: stamp.seed ?? 0,
          picture: { kind: 'encoded', bytes: new Uint8Array(1) },
          lease,
        });
        lease.release();
      },
      error: error => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
  });
}
