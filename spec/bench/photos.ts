import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { hash } from '../../core/random.ts';

/** Grid sizes and amplitudes whose sum has a photograph's spectrum, roughly 1/f; of a large picture up to half of its columns. */
const octaves = [
  [4, 60],
  [12, 40],
  [40, 25],
  [120, 14],
  [250, 8],
  [500, 6],
  [1000, 5],
] as const;

export interface PhotoOptions {
  readonly classes?: number;
  readonly perClass?: number;
  readonly width?: number;
  readonly height?: number;
  /** How many are made; the other files are copies. */
  readonly different?: number;
}

/** JPEG files like ImageNet's: 500 × 375 unless told, quality 95, then 60 KB, in `train/` and `test/` with `classes` folders each. */
export async function makePhotos(
  folder: string,
  { classes = 4, perClass = 64, width = 500, height = 375, different = 64 }: PhotoOptions = {},
): Promise<void> {
  const photos: Buffer[] = [];
  for (let seed = 0; seed < different; seed++) photos.push(await photo(seed, width, height));
  for (const [split, count] of [
    ['train', perClass],
    ['test', Math.ceil(perClass / 4)],
  ] as const) {
    for (let label = 0; label < classes; label++) {
      const dir = join(folder, split, `class${label}`);
      await mkdir(dir, { recursive: true });
      for (let i = 0; i < count; i++) await writeFile(join(dir, `${i}.jpg`), photos[(label * count + i) % different]);
    }
  }
}

export async function photo(seed: number, width: number, height: number): Promise<Buffer> {
  const sum = new Float32Array(width * height * 3).fill(128);
  for (const [columns, amplitude] of octaves) {
    if (columns > width / 2) continue;
    const rows = Math.max(3, Math.round((columns * height) / width));
    const grid = Buffer.from(Array.from({ length: columns * rows * 3 }, (_, i) => hash(seed, columns, i) & 255));
    const grown = await sharp(grid, { raw: { width: columns, height: rows, channels: 3 } })
      .resize(width, height, { kernel: 'cubic', fit: 'fill' })
      .raw()
      .toBuffer();
    for (let i = 0; i < sum.length; i++) sum[i] += ((grown[i] - 128) / 128) * amplitude;
  }
  return sharp(Buffer.from(sum.map(value => Math.max(0, Math.min(255, value)))), { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}
