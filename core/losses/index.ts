export { type CrossEntropyOptions, crossEntropy } from './crossEntropy.ts';
export { type Loss, type LossInputs, resultLength, resultSlot } from './loss.ts';
