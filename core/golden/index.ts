export { type Errors, excess, type Golden, type GoldenCase, type GoldenModel, type GoldenTraining, readGolden } from './cases.ts';
export { runOpCase } from './opCase.ts';
export { type OpenProblem, openProblem, waysOf } from './openProblem.ts';
export { type Problem, trainingProblems } from './problems.ts';
export { openProduct, type Product } from './product.ts';
export { compareInventory, fill, runTrainingCase } from './trainingCase.ts';
