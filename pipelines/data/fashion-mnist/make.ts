/**
 * Makes the data set in this folder from the four original IDX files of Fashion-MNIST:
 *
 *   npx tsx pipelines/data/fashion-mnist/make.ts FOLDER [OUT]
 *
 * FOLDER holds train-images-idx3-ubyte[.gz] and so on, as in Debian's package dataset-fashion-mnist; OUT is this folder unless
 * given. Chooses 600 training and 100 test images of each class. The choice, the order and the bytes are the same every
 * time with the same versions of sharp and Node on the same kind of processor (the compressors differ otherwise).
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer as collect } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { lastValueFrom, toArray } from 'rxjs';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { epochs, openDataSet, shuffle } from '../../../operators/index.ts';

const config = {
  seed: 2017,
  parts: [
    { split: 'train', perClass: 600, shards: 4 },
    { split: 'test', perClass: 100, shards: 1 },
  ],
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
} as const;

interface Item {
  readonly name: string;
  readonly label: number;
  readonly png: Buffer;
}

/** The first `perClass` images of each class in a shuffle of the whole split: balanced, and mixed already. */
async function choose(folder: string, split: 'train' | 'test', perClass: number): Promise<Item[]> {
  const set = await openDataSet(folder, { split });
  const shuffled = set.samples().pipe(epochs(1, { seed: config.seed }), shuffle({ buffer: set.size! }));
  const taken = config.classes.map(() => 0);
  const chosen = (await lastValueFrom(shuffled.pipe(toArray()))).filter(sample => taken[sample.label]++ < perClass);
  return Promise.all(
    chosen.map(async ({ index, label, picture }) => {
      if (picture.kind !== 'raw') throw new Error(`${folder} holds no IDX files`);
      return { name: String(index).padStart(5, '0'), label, png: await smallestPng(picture) };
    }),
  );
}

/** 8-bit grey PNG, with adaptive filters or none, whichever is smaller. */
async function smallestPng({ pixels, height, width }: { pixels: Uint8Array; height: number; width: number }): Promise<Buffer> {
  const image = sharp(pixels, { raw: { width, height, channels: 1 } }).toColourspace('b-w');
  const encode = (adaptiveFiltering: boolean) => image.clone().png({ palette: false, compressionLevel: 9, adaptiveFiltering }).toBuffer();
  const [plain, filtered] = await Promise.all([encode(false), encode(true)]);
  return filtered.length < plain.length ? filtered : plain;
}

/** A gzipped tar without times and owners, which would differ from run to run. */
async function shard(items: readonly Item[]): Promise<Buffer> {
  const archive = pack();
  const header = { mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) };
  for (const { name, label, png } of items) {
    archive.entry({ ...header, name: `${name}.cls` }, String(label));
    archive.entry({ ...header, name: `${name}.png` }, png);
  }
  archive.finalize();
  const packed = gzipSync(await collect(archive), { level: 9 });
  // gzip's tenth byte names the operating system; 255 says unknown (RFC 1952).
  packed[9] = 255;
  return packed;
}

const [folder, out = fileURLToPath(new URL('.', import.meta.url))] = process.argv.slice(2);
if (!folder) {
  console.error('Usage: npx tsx pipelines/data/fashion-mnist/make.ts FOLDER [OUT]');
  process.exit(2);
}
await mkdir(out, { recursive: true });
const counts: Record<string, number> = {};
for (const { split, perClass, shards } of config.parts) {
  const items = await choose(folder, split, perClass);
  const each = items.length / shards;
  for (let i = 0; i < shards; i++) {
    const name = `${split}-${String(i).padStart(3, '0')}.tar.gz`;
    const part = items.slice(i * each, (i + 1) * each);
    const bytes = await shard(part);
    await writeFile(join(out, name), bytes);
    counts[name] = part.length;
    console.log(`${name}: ${part.length} images, ${bytes.length} bytes`);
  }
}
await writeFile(join(out, 'classes.txt'), `${config.classes.join('\n')}\n`);
await writeFile(join(out, 'index.json'), `${JSON.stringify({ shards: counts }, null, 2)}\n`);
