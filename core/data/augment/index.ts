export type { Interpolation } from './affine.ts';
export { type ColorJitterOptions, colorJitter, grayscale } from './colorJitter.ts';
export { pcaLighting } from './pcaLighting.ts';
export { type RandAugmentOptions, randAugment, type TrivialAugmentWideOptions, trivialAugmentWide } from './policies.ts';
export { type RandomErasingOptions, randomErasing } from './randomErasing.ts';
export { randomShortSide } from './randomShortSide.ts';
