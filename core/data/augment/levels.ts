import type { RawPixels } from '../rawPixels.ts';
import { blender, toByte } from './blend.ts';
import { luma } from './color.ts';

/** Ops that give each value another one, whatever its neighbours: tables of 256 bytes. */
type Table = Uint8Array;
const f32 = Math.fround;

/** Towards black (factor 0) or beyond. */
export function brightness(image: RawPixels, factor: number): RawPixels {
  const blend = blender(factor);
  return mapped(image, [table(value => blend(value, 0))]);
}

/** Towards the mean of the grey image (factor 0) or away from it. */
export function contrast(image: RawPixels, factor: number): RawPixels {
  const blend = blender(factor);
  const { data, channels } = image;
  let sum = 0;
  if (channels === 1) for (let i = 0; i < data.length; i++) sum += data[i];
  else for (let i = 0; i < data.length; i += 3) sum += luma(data[i], data[i + 1], data[i + 2]);
  const mean = f32(f32(sum) / (data.length / channels));
  return mapped(image, [table(value => blend(value, mean))]);
}

/** Keeps the `bits` highest bits of each value. */
export function posterize(image: RawPixels, bits: number): RawPixels {
  return mapped(image, [table(value => value & -(2 ** (8 - bits)))]);
}

/** Inverts the values from `threshold` on. */
export function solarize(image: RawPixels, threshold: number): RawPixels {
  const from = f32(threshold);
  return mapped(image, [table(value => (value >= from ? 255 - value : value))]);
}

/** Each channel stretched over all values; one of a single value stays. */
export function autocontrast(image: RawPixels): RawPixels {
  const tables = histograms(image).map(counts => {
    const low = counts.findIndex(count => count > 0);
    const high = counts.findLastIndex(count => count > 0);
    if (low === high) return table(value => value);
    const scale = f32(255 / (high - low));
    return table(value => toByte(f32((value - low) * scale)));
  });
  return mapped(image, tables);
}

/** Each channel's values spread so that all are about as frequent. */
export function equalize(image: RawPixels): RawPixels {
  const tables = histograms(image).map(counts => {
    const last = counts.findLast(count => count > 0) ?? 0;
    const step = Math.floor((image.height * image.width - last) / 255);
    if (step === 0) return table(value => value);
    let below = 0;
    return table(value => {
      const level = value === 0 ? 0 : Math.min(255, Math.floor((below + Math.floor(step / 2)) / step));
      below += counts[value];
      return level;
    });
  });
  return mapped(image, tables);
}

/** Called for 0, 1, … 255 in this order. */
function table(of: (value: number) => number): Table {
  return Uint8Array.from({ length: 256 }, (_, value) => of(value));
}

function histograms({ data, channels }: RawPixels): Uint32Array[] {
  const counts = Array.from({ length: channels }, () => new Uint32Array(256));
  for (let c = 0; c < channels; c++) for (let i = c; i < data.length; i += channels) counts[c][data[i]]++;
  return counts;
}

/** One table for all channels, or one for each. */
function mapped(image: RawPixels, tables: readonly Table[]): RawPixels {
  const { data, channels } = image;
  const out = new Uint8Array(data.length);
  if (tables.length === 1) {
    const [only] = tables;
    for (let i = 0; i < data.length; i++) out[i] = only[data[i]];
  } else {
    for (let c = 0; c < channels; c++) {
      const own = tables[c];
      for (let i = c; i < data.length; i += channels) out[i] = own[data[i]];
    }
  }
  return { ...image, data: out };
}
