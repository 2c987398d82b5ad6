import type { TensorData } from '../../core/index.ts';
import { type Picture, pictureSheet } from './pictureSheet.ts';
import type { Histogram, LayerValues, Weights } from './protocol.ts';

const bins = 40;
/** Values of a tensor that are looked at, evenly spread; more would cost time and show nothing new. */
const mostValues = 65_536;
/** Filters on the sheet. */
const mostFilters = 96;

export function histogram(values: Float32Array): Histogram {
  const every = Math.max(1, Math.ceil(values.length / mostValues));
  let [low, high, sum, squares, count, notFinite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i += every) {
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      notFinite++;
      continue;
    }
    count++;
    sum += value;
    squares += value * value;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const counts = new Array<number>(bins).fill(0);
  if (count === 0) return { low: 0, high: 0, counts, not_finite: notFinite, mean: Number.NaN, std: Number.NaN };
  const width = (high - low) / bins;
  for (let i = 0; i < values.length; i += every) {
    const value = values[i]!;
    if (Number.isFinite(value)) counts[width > 0 ? Math.min(bins - 1, Math.floor((value - low) / width)) : 0]!++;
  }
  const mean = sum / count;
  return { low, high, counts, not_finite: notFinite, mean, std: Math.sqrt(Math.max(0, squares / count - mean * mean)) };
}

/** Histograms of every layer's weights (not biases, not normalisation) with their gradients, and the first convolution's filters. */
export async function describeWeights(
  step: number,
  weights: ReadonlyMap<string, TensorData>,
  gradients: ReadonlyMap<string, TensorData> | undefined,
): Promise<Weights> {
  const layers: LayerValues[] = [];
  let filters: Weights['filters'] = null;
  for (const [name, { shape, data }] of weights) {
    if (!name.endsWith('.weight') || shape.length < 2) continue;
    const gradient = gradients?.get(name);
    layers.push({ name, shape, weights: histogram(data), gradients: gradient ? histogram(gradient.data) : null });
    if (filters === null && shape.length === 4) filters = await filterSheet(name, shape, data);
  }
  return { step, layers, filters };
}

/** Filters [O,C,R,S] as pictures: in colour with three channels, else the first channel in grey; each from its least to its largest value. */
async function filterSheet(name: string, shape: readonly number[], data: Float32Array): Promise<Weights['filters']> {
  const [filters, inputs, height, width] = shape as readonly [number, number, number, number];
  const channels = inputs === 3 ? 3 : 1;
  const count = Math.min(filters, mostFilters);
  const pictures: Picture[] = [];
  for (let o = 0; o < count; o++) {
    const own = data.subarray(o * inputs * height * width, (o * inputs + channels) * height * width);
    const low = own.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = own.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const pixels = new Uint8Array(height * width * channels);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < height * width; i++) {
        pixels[i * channels + c] = high > low ? Math.round((255 * (own[c * height * width + i]! - low)) / (high - low)) : 128;
      }
    pictures.push({ data: pixels, height, width, channels });
  }
  const columns = Math.min(16, Math.max(1, Math.ceil(Math.sqrt(count * 2))));
  // a dark line between neighbours: one pixel more on each side
  const sheet = await pictureSheet(
    pictures.map(picture => framed(picture)),
    { columns, tile: Math.max(height, width) + 2 },
  )();
  return { name, ...sheet, count };
}

function framed({ data, height, width, channels }: Picture): Picture {
  const pixels = new Uint8Array((height + 2) * (width + 2) * channels);
  for (let y = 0; y < height; y++) {
    pixels.set(data.subarray(y * width * channels, (y + 1) * width * channels), ((y + 1) * (width + 2) + 1) * channels);
  }
  return { data: pixels, height: height + 2, width: width + 2, channels };
}
