import { InvalidArgumentError } from 'commander';
import { didYouMean } from '../../../core/index.ts';
import {
  type Augmentation,
  colorJitter,
  grayscale,
  horizontalFlip,
  pcaLighting,
  randAugment,
  randomErasing,
  trivialAugmentWide,
} from '../../../operators/index.ts';
import { cropTo } from '../../cropTo.ts';
import type { Images } from '../../definePipeline.ts';
import { fitTo } from '../../fitTo.ts';

type Size = Omit<Images, 'normalization'>;
/** How images come to their size. */
const sizes = {
  train: { told: 'cropped and flipped as for training', list: (images: Size) => [...cropTo(images), horizontalFlip()] },
  test: { told: 'of the held-out part, brought to their size', list: fitTo },
  none: { told: 'untouched', list: () => [] },
} as const;

/** What may come behind it, as the recipes have it. */
const more: Readonly<Record<string, () => Augmentation>> = {
  colorJitter: () => colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }),
  grayscale: () => grayscale({ probability: 0.2 }),
  pcaLighting: () => pcaLighting(),
  randAugment: () => randAugment(),
  randomErasing: () => randomErasing({ probability: 0.25 }),
  trivialAugmentWide: () => trivialAugmentWide(),
};
const names = [...Object.keys(sizes), ...Object.keys(more)];
export const previewWays = `${Object.keys(sizes).join(', ')}; behind it ${Object.keys(more).join(', ')}`;

export interface PreviewWay {
  readonly size: keyof typeof sizes;
  readonly more: readonly string[];
}

/** `train`, `randAugment`, `train,colorJitter,randomErasing`: a way to come to a size first (train unless said), then the others. */
export function previewWay(text: string): PreviewWay {
  const given = text.split(',');
  for (const name of given) {
    if (!names.includes(name))
      throw new InvalidArgumentError(`"${name}" is none of ${names.join(', ')}. ${didYouMean(name, names)}`.trimEnd());
  }
  const [first, ...others] = given[0]! in sizes ? given : ['train', ...given];
  const late = others.find(name => name in sizes);
  if (late !== undefined) throw new InvalidArgumentError(`"${late}" comes first, and only one of ${Object.keys(sizes).join(', ')}.`);
  return { size: first as keyof typeof sizes, more: others };
}

export const augmentationsOf = ({ size, more: others }: PreviewWay, images: Size): readonly Augmentation[] => [
  ...sizes[size].list(images),
  ...others.map(name => more[name]!()),
];

/** What was done, for people: `cropped and flipped as for training, colorJitter(…)`. */
export const inWords = ({ size, more: others }: PreviewWay): string =>
  [sizes[size].told, ...others.map(name => more[name]!().name)].join(', ');
