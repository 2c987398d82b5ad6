import { fail, show } from '../errors.ts';
import type { Normalization, Sample, Transform } from './sample.ts';

/**
 * One entry of `augment`'s list. `draw` takes its random numbers from a stream that depends on nothing but the sample's
 * (seed, epoch, index) and the entry's position, so that any sample can be replayed.
 */
export interface Augmentation {
  /** For people: `randomCrop(28, padding 4)`. */
  readonly name: string;
  /** This sample's transform with its random numbers drawn; undefined when it is left as it is. */
  draw(random: () => number, sample: Sample): Transform | undefined;
  /** Applied on the device instead. */
  readonly normalization?: Normalization;
}
/** Pixels of a square's side, or of each side. */
export type ImageSize = number | { readonly height: number; readonly width: number };

/** A number scales the short side to it and keeps the aspect ratio; `{ height, width }` is exact. Bilinear, antialiased. */
export function resize(size: ImageSize): Augmentation {
  const { height, width } = sides('resize', size);
  const transform: Transform = typeof size === 'number' ? { kind: 'resizeShortSide', size } : { kind: 'resize', height, width };
  return { name: `resize(${sizeText(size)})`, draw: () => transform };
}

/** The middle of the image; zeros around it where it is smaller. */
export function centerCrop(size: ImageSize): Augmentation {
  const transform: Transform = { kind: 'centerCrop', ...sides('centerCrop', size) };
  return { name: `centerCrop(${sizeText(size)})`, draw: () => transform };
}

/** Any place of the image with equal chance, after `padding` zeros on all sides. A smaller image is a bad sample. */
export function randomCrop(size: ImageSize, { padding = 0 }: { readonly padding?: number } = {}): Augmentation {
  const { height, width } = sides('randomCrop', size);
  if (!Number.isInteger(padding) || padding < 0) throw wrong('randomCrop', 'padding to be a whole number of pixels, 0 or more', padding);
  return {
    name: `randomCrop(${sizeText(size)}${padding ? `, padding ${padding}` : ''})`,
    draw: random => ({ kind: 'randomCrop', height, width, padding, u: random(), v: random() }),
  };
}

/** A random area and aspect ratio, resized: torchvision's RandomResizedCrop with its defaults (`scale` of the area, `ratio` width / height). */
export function randomResizedCrop(
  size: ImageSize,
  {
    scale = [0.08, 1],
    ratio = [3 / 4, 4 / 3],
  }: { readonly scale?: readonly [number, number]; readonly ratio?: readonly [number, number] } = {},
): Augmentation {
  const { height, width } = sides('randomResizedCrop', size);
  for (const [name, range] of [
    ['scale', scale],
    ['ratio', ratio],
  ] as const) {
    if (!(range[0] > 0 && range[1] >= range[0])) throw wrong('randomResizedCrop', `${name} to be [low, high] with 0 < low <= high`, range);
  }
  return {
    name: `randomResizedCrop(${sizeText(size)})`,
    draw: random => ({ kind: 'randomResizedCrop', height, width, scale, ratio, draws: forty(random) }),
  };
}

/** Ten candidates' numbers; by hand, since this is done for every image and `Array.from` takes four times as long. */
function forty(random: () => number): number[] {
  const draws = new Array<number>(40);
  for (let i = 0; i < 40; i++) draws[i] = random();
  return draws;
}

/** Left and right exchanged with the given probability. */
export function horizontalFlip({ probability = 0.5 }: { readonly probability?: number } = {}): Augmentation {
  if (!(probability >= 0 && probability <= 1)) throw wrong('horizontalFlip', 'probability between 0 and 1', probability);
  const transform: Transform = { kind: 'horizontalFlip' };
  return { name: `horizontalFlip(${probability})`, draw: random => (random() < probability ? transform : undefined) };
}

/**
 * The first box, or one drawn at random, with `margin` × its height above and below and `margin` × its width at both sides,
 * as far as the image goes. A picture without boxes is left whole. Put a resize after it.
 */
export function cropToBox({
  margin = 0,
  choose = 'first',
}: {
  readonly margin?: number;
  readonly choose?: 'first' | 'random';
} = {}): Augmentation {
  if (!(margin >= 0 && margin < Number.POSITIVE_INFINITY))
    throw wrong('cropToBox', "margin as a share of the box's sides, 0 or more", margin);
  if (choose !== 'first' && choose !== 'random') throw wrong('cropToBox', "choose to be 'first' or 'random'", choose);
  return {
    name: `cropToBox(margin ${margin}, ${choose})`,
    draw: (random, { boxes = [] }) => {
      const box = boxes[choose === 'random' ? Math.floor(random() * boxes.length) : 0];
      return box && { kind: 'cropToBox', box, margin };
    },
  };
}

/** (x / 255 - mean) / std for each channel. Runs on the device: the pixels stay uint8 until there. */
export function normalize({ mean, std }: Normalization): Augmentation {
  if (mean.length !== std.length || (mean.length !== 1 && mean.length !== 3)) {
    throw wrong('normalize', 'as many means as deviations, one or three', { mean, std });
  }
  if (![...mean, ...std].every(Number.isFinite) || std.some(each => each <= 0))
    throw wrong('normalize', 'finite means and positive deviations', { mean, std });
  return { name: 'normalize', draw: () => undefined, normalization: { mean, std } };
}

export function sides(where: string, size: ImageSize): { height: number; width: number } {
  const { height, width } = typeof size === 'number' ? { height: size, width: size } : size;
  if (![height, width].every(side => Number.isInteger(side) && side > 0)) throw wrong(where, 'a size in whole pixels, 1 or more', size);
  return { height, width };
}
const sizeText = (size: ImageSize): string => (typeof size === 'number' ? String(size) : `${size.height} x ${size.width}`);
const wrong = (where: string, expected: string, got: unknown) => fail('usage', where, expected, show(got), 'Change the argument.');
