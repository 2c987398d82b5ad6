import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { hash } from '../../core/random.ts';

const [width, height] = [500, 375];
/** Grid sizes and amplitudes whose sum has a photograph's spectrum, roughly 1/f. */
const octaves = [
  [4, 60],
  [12, 40],
  [40, 25],
  [120, 14],
  [250, 8],
] as const;

/** JPEG files like ImageNet's: 500 × 375, quality 95, 60 KB, in `train/` and `test/` with `classes` folders each. */
export async function makePhotos(
  folder: string,
  { classes = 4, perClass = 64 }: { classes?: number; perClass?: number } = {},
): Promise<void> {
  const different = 64;
  const photos = await Promise.all(Array.from({ length: different }, (_, seed) => photo(seed)));
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

async function photo(seed: number): Promise<Buffer> {
  const sum = new Float32Array(width * height * 3).fill(128);
  for (const [columns, amplitude] of octaves) {
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
