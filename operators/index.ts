export { epochs } from './epochs.ts';
export { type IdxOptions, idx } from './idx.ts';
export { imageFolder } from './imageFolder.ts';
export { openDataSet } from './openDataSet.ts';
export { shuffle } from './shuffle.ts';
export { type WebDatasetOptions, webDataset } from './webDataset.ts';
