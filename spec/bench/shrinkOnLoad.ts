/**
 * JPEGs decoded at a smaller scale against the same decoded in full, in turns on one thread: randomResizedCrop(224) of generated photographs
 * and of files given. `npx tsx spec/bench/shrinkOnLoad.ts [FILE.jpg …]`. Milliseconds a picture (the mean over crops of each one's fastest
 * of five), levels of 0 to 255 that pixels differ by, and the crops at each scale.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { ShrinkOnLoad } from '../../core/data/reduction.ts';
import type { Sample } from '../../core/data/sample.ts';
import { purpose, uniforms } from '../../core/random.ts';
import decodeImage from '../../core/tasks/decodeImage.ts';
import { randomResizedCrop } from '../../operators/index.ts';
import { photo } from './photos.ts';

const [crops, turns, size] = [40, 5, 224];
const cell = new SharedArrayBuffer(size * size * 3);
const files = process.argv.slice(2).map(path => [basename(path), readFileSync(path)] as const);
const made = [
  [500, 375],
  [1024, 768],
  [2000, 1500],
].map(async ([width, height]) => [`${width} x ${height}`, await photo(1, width, height)] as const);

console.log('picture              in full    shrunk   faster   mean difference   largest   crops');
for (const [name, bytes] of [...(await Promise.all(made)), ...files]) {
  const ms = { never: 0, random: 0 };
  const ways = new Map<string, number>();
  let [sum, largest, values] = [0, 0, 0];
  for (let i = 0; i < crops; i++) {
    const transform = randomResizedCrop(size).draw(uniforms(1, 0, i, purpose.augment, 0), {} as Sample)!;
    const ask = async (shrinkOnLoad: ShrinkOnLoad) => {
      const began = performance.now();
      const out = await decodeImage({
        ...{ picture: { kind: 'encoded', bytes }, transforms: [transform], channels: 3, pixelLimit: 1e8 },
        ...{ shrinkOnLoad, cell },
      });
      const took = performance.now() - began;
      if (!out.ok) throw new Error(out.reason);
      return { took, pixels: Uint8Array.from(new Uint8Array(cell)), way: out.decoder ?? '' };
    };
    const best = { never: Number.POSITIVE_INFINITY, random: Number.POSITIVE_INFINITY };
    for (let turn = 0; turn < turns; turn++) {
      const full = await ask('never');
      const shrunk = await ask('random');
      best.never = Math.min(best.never, full.took);
      best.random = Math.min(best.random, shrunk.took);
      if (turn > 0) continue;
      ways.set(shrunk.way, (ways.get(shrunk.way) ?? 0) + 1);
      if (shrunk.way === full.way) continue;
      values += shrunk.pixels.length;
      for (let k = 0; k < shrunk.pixels.length; k++) {
        const difference = Math.abs(shrunk.pixels[k] - full.pixels[k]);
        sum += difference;
        largest = Math.max(largest, difference);
      }
    }
    ms.never += best.never / crops;
    ms.random += best.random / crops;
  }
  const times = [`${ms.never.toFixed(2)} ms`, `${ms.random.toFixed(2)} ms`, `${(ms.never / ms.random).toFixed(2)} x`];
  const mean = values > 0 ? (sum / values).toFixed(2) : '-';
  const scales = [...ways].map(([way, count]) => `${count} ${way}`).join(', ');
  console.log(
    `${name.padEnd(18)} ${times.map(text => text.padStart(9)).join(' ')} ${mean.padStart(17)} ${String(largest).padStart(9)}   ${scales}`,
  );
}
