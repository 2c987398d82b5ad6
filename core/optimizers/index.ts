export { type AdamOptions, adam } from './adam.ts';
export { adamw } from './adamw.ts';
export { type LearningRate, type LearningRateReader, readLearningRate, type Schedule } from './learningRate.ts';
export type { Optimizer, Update } from './optimizer.ts';
export { type CosineOptions, constant, cosine, type OneCycleOptions, oneCycle, stepDecay } from './schedules.ts';
export { type SgdOptions, sgd } from './sgd.ts';
