/**
 * The WebAssembly library: every routine that a variant of the `wasm` device may call.
 *
 * A routine is `(start: i32, end: i32, scratch: usize, ...addresses and numbers)`. It does the units of work from start to end
 * of one launch, in any order and on any thread; launches are separated by a barrier, so units of one launch must not depend
 * on each other. Addresses are bytes in the device's arena and multiples of 64 for whole tensors. There is no heap: nothing is allocated here,
 * and what is not an argument does not exist. Reading up to 64 bytes past a tensor is allowed, using them is not.
 */

// exported so that they stay functions of their own, with registers to themselves
export { blend, light, posterize, saturate, solarize, turnHue } from './adjust';
// mean32 is exported so that it stays a function of its own, with registers to itself
export { avgPool, avgPoolGradient, mean32 } from './avgPool';
// exported so that they stay functions of their own: inlined into their only callers, their loops would spill registers
export {
  batchNorm,
  batchNormFactors,
  batchNormGradient,
  batchNormGradientFactors,
  gradient2,
  gradientThroughGate2,
  moveRunning,
  normalise2,
  normaliseAndAdd,
  scaleChannels,
} from './batchNorm';
// exported so that they stay functions of their own: inlined into their only callers, their loops would spill registers
export { gatedProducts4, maskedProducts, maskedSums, moments4, products2 } from './batchNormRows';
export { chunkProducts, chunkStatistics, combineProducts, combineStatistics } from './batchNormSums';
// exported so that it stays a function of its own, with registers to itself
export { block4 } from './block';
export { channelSums, combineSums } from './channelSums';
export { blockFilters, blockImages, unblockFilters } from './convBlocks';
export { convolveFilters, sumFilters } from './convFilters';
export { convolve } from './convolve';
export { packFilters, packTurned, padImages } from './convPack';
export { depthwise, depthwiseFilters, depthwiseInput } from './depthwise';
export { dropout } from './dropout';
export { add, copy, relu, reluGradient } from './elementwise';
export { decodeBlock, jpegIntervals, jpegTable, skipBlock } from './jpegBits';
export { jpegColor } from './jpegColor';
// the transforms are exported so that they stay functions of their own, with registers to themselves
export { inverseTransformToFour, inverseTransformToTwo } from './jpegReduced';
export { jpegScan } from './jpegScan';
export { inverseTransform, inverseTransformOfMean } from './jpegTransform';
// the third as above
export { copyLimit, productLimit, productsAndSums, vectorLimit } from './limits';
export { linear, linearSum } from './linear';
export { linearFilterGradient, linearInputGradient } from './linearGradients';
// the last two as above
export { gradientFive, normThree, responseNorm, responseNormGradient, responseScale } from './localResponseNorm';
// maximaSharing as above
export { maximaSharing, maxPool } from './maxPool';
export { maxPoolGradient, maxPoolGradient3 } from './maxPoolGradient';
// winner9 as above
export { maxPoolIndices, winner9 } from './maxPoolIndices';
// adamVectors as above
export { adam, adamVectors, sgd, sgdMomentum } from './optimizers';
export { panelsOfColumns, panelsOfRows } from './panels';
export { copyChannels, joinChannels, padChannels, padChannelsGradient, transpose } from './rearrange';
export { resampleColumns, resampleRows1, resampleRows3 } from './resample';
// as above
export { addMaskedRows2, addRows4 } from './rows';
export { crossEntropyGradient, judge, rowLargest, rowSum, softmax, softmaxGradient } from './softmax';
// rowsProduct is exported for the same reason as tileProduct below
export { multiplySeven, rowsProduct } from './strassen';
export { multiplySevenFilters } from './strassenFilters';
export { packSeven } from './strassenPack';
export { toFloat } from './toFloat';
export { adjustBefore, adjustMeans, toFloatEdited } from './toFloatEdited';
// the first three as above
export { exponential, exponentials, logarithm, scaledExponentials, sumOfExponentials } from './transcendental';
export { winogradFilters, winogradInput, winogradPanels, winogradTiles } from './winograd';
export { winogradGradients, winogradJoin, winogradParts, winogradRows, winogradSums } from './winogradFilterGradient';
// exported so that they stay functions of their own: inlined into their only callers, their sums would not keep their registers
export { tileProduct, tileProduct4 } from './winogradProducts';
export { stride2Filters, stride2Tiles } from './winogradStride2';
export { stride2Rows, stride2Sums } from './winogradStride2FilterGradient';
export { stride2GradientTiles, stride2TurnedFilters } from './winogradStride2InputGradient';
export { stride2GradientInput, stride2GradientPanels, stride2Input, stride2Panels } from './winogradStride2Panels';
