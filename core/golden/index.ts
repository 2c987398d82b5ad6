export { type Errors, excess, type Golden, type GoldenCase, type GoldenModel, type GoldenTraining, readGolden } from './cases.ts';
export { runOpCase } from './opCase.ts';
export { compareInventory, fill, runTrainingCase } from './trainingCase.ts';
