export {
  type ColorJitterOptions,
  colorJitter,
  grayscale,
  type Interpolation,
  pcaLighting,
  type RandAugmentOptions,
  type RandomErasingOptions,
  randAugment,
  randomErasing,
  randomShortSide,
  type TrivialAugmentWideOptions,
  trivialAugmentWide,
} from '../core/data/augment/index.ts';
export {
  type Augmentation,
  centerCrop,
  cropToBox,
  horizontalFlip,
  type ImageSize,
  normalize,
  randomCrop,
  randomResizedCrop,
  resize,
} from '../core/data/transforms.ts';
export { augment } from './augment.ts';
export { type AverageScoresOptions, averageScores, type Scores, scores } from './averageScores.ts';
export { backward } from './backward.ts';
export { batch } from './batch.ts';
export { cutMix } from './cutMix.ts';
export { type DecodeOptions, decode } from './decode.ts';
export { epochs } from './epochs.ts';
export { type EvaluateOptions, evaluate } from './evaluate.ts';
export { forward } from './forward.ts';
export { type IdxOptions, idx } from './idx.ts';
export { imageFolder } from './imageFolder.ts';
export { meter } from './meter.ts';
export { type MeteredOptions, metered } from './metered.ts';
export type { MixOptions } from './mixing.ts';
export { mixUp } from './mixUp.ts';
export { openDataSet } from './openDataSet.ts';
export { optimize } from './optimize.ts';
export { pixels } from './pixels.ts';
export { prefetch } from './prefetch.ts';
export { type ProfileOptions, profile, snapshots } from './profile.ts';
export { type ShardOptions, shard } from './shard.ts';
export { shuffle } from './shuffle.ts';
export { atLevel, atSynsets, withinSynsets } from './synsets.ts';
export { tenCrop } from './tenCrop.ts';
export { type WebDatasetOptions, webDataset } from './webDataset.ts';
