import { concatMap, lastValueFrom, take, toArray } from 'rxjs';
import { type DataSet, fail, type Graph, type Normalization, pictureFacts } from '../../core/index.ts';
import { augment, type DecodeOptions, decode, pixels } from '../../operators/index.ts';
import type { Images } from '../definePipeline.ts';
import { fitTo } from '../fitTo.ts';

/** Images up to this size are small: trained at their own size, cropped with padding. */
export const smallSize = 64;
const largeSize = 224;
/** How many pictures are looked at to find out their size, and decoded to measure their mean. */
const lookedAt = 8;
const measured = 500;
/** Mean and standard deviation of ImageNet's training images (Krizhevsky 2012's data; constants as torchvision states them). */
const imageNet: Normalization = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export interface ImageChoice {
  /** `--size`. */
  readonly size?: number;
  /** A graph that is as it is. */
  readonly graph?: Graph;
  /** Of a run that is resumed. */
  readonly normalization?: Normalization;
}

/** Looks at the data and decides to what size, channels and range its images are brought. */
export async function chooseImages(data: DataSet, { size, graph, normalization }: ImageChoice, decoding: DecodeOptions): Promise<Images> {
  const chosen = chooseSize(await lookAt(data), size, graph);
  return {
    ...chosen,
    normalization: normalization ?? (await chooseNormalization(data, chosen, { ...decoding, channels: chosen.channels })),
  };
}

/** What the data's first images are like. */
export interface DataImages {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** All that were looked at have this size. */
  readonly uniform: boolean;
}

export async function lookAt(data: DataSet): Promise<DataImages> {
  const facts = await lastValueFrom(
    data.samples({ order: 'random', boxes: false }).pipe(
      take(lookedAt),
      concatMap(sample => pictureFacts(sample.picture)),
      toArray(),
    ),
    { defaultValue: [] },
  );
  const known = facts.flatMap(each => each ?? []);
  const height = Math.max(1, ...known.map(each => each.height));
  const width = Math.max(1, ...known.map(each => each.width));
  return {
    height,
    width,
    channels: known.length > 0 && known.every(each => each.channels === 1) ? 1 : 3,
    uniform: known.every(each => each.height === height && each.width === width),
  };
}

/** The size and the channels that images are brought to: those of a graph that is given, else `--size`, else the data's own. */
export function chooseSize(found: DataImages, size: number | undefined, graph: Graph | undefined): Omit<Images, 'normalization'> {
  if (graph) {
    const [height, width, channels] = graph.input;
    if (channels !== 1 && channels !== 3) {
      const fix = 'Images have 1 channel (grey) or 3 (RGB): change the input of the graph.';
      throw fail('graph', `model "${graph.name}"`, 'an input of 1 or 3 channels', String(channels), fix);
    }
    if (size !== undefined && (size !== height || size !== width)) {
      const fix = 'Leave --size out, or change the input of the graph.';
      throw fail('usage', '--size', `${height} × ${width}, the input of model "${graph.name}"`, String(size), fix);
    }
    return sized(found, height, width, channels);
  }
  const small = Math.max(found.height, found.width) <= smallSize;
  const channels = small ? found.channels : 3;
  if (size !== undefined) return sized(found, size, size, channels);
  if (!small) return sized(found, largeSize, largeSize, channels);
  return sized(found, found.height, found.width, channels);
}

function sized(found: DataImages, height: number, width: number, channels: 1 | 3): Omit<Images, 'normalization'> {
  return {
    height,
    width,
    channels,
    small: Math.max(height, width) <= smallSize,
    native: found.uniform && found.height === height && found.width === width,
  };
}

/**
 * Mean and standard deviation of each channel: ImageNet's for large colour images, so that its checkpoints fit; otherwise
 * measured on the first images of a shuffled pass, the same for the same data.
 */
export async function chooseNormalization(
  data: DataSet,
  images: Omit<Images, 'normalization'>,
  decoding: DecodeOptions,
): Promise<Normalization> {
  if (!images.small && images.channels === 3) return imageNet;
  const { channels } = images;
  const sums = Array.from({ length: channels }, () => ({ sum: 0, squares: 0 }));
  let count = 0;
  await lastValueFrom(
    data.samples({ order: 'random', boxes: false }).pipe(
      decode({ ...decoding, onError: 'skip', bad: () => undefined }),
      augment(fitTo(images)),
      pixels(),
      take(measured),
      concatMap(({ pixels: { data: values } }) => {
        for (let i = 0; i < values.length; i++) {
          const value = values[i] / 255;
          const channel = sums[i % channels];
          channel.sum += value;
          channel.squares += value * value;
        }
        count += values.length / channels;
        return [];
      }),
    ),
    { defaultValue: undefined },
  );
  const mean = sums.map(({ sum }) => round(count > 0 ? sum / count : 0.5));
  // a channel that never changes has no deviation to divide by
  const std = sums.map(({ squares }, c) => round(Math.sqrt(Math.max(0, count > 0 ? squares / count - mean[c] ** 2 : 0.25))) || 1);
  return { mean, std };
}

const round = (value: number): number => Math.round(value * 1e4) / 1e4;
