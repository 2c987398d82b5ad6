/** What a pipeline of your own needs: `import { definePipeline } from 'millrace/pipelines'`. */
export { cropTo } from './cropTo.ts';
export {
  type CommonOptions,
  commonOptions,
  definePipeline,
  type EpochEvaluation,
  type Images,
  isStep,
  type Pipeline,
  type PipelineContext,
  type PipelineDefinition,
  type PipelineRecord,
} from './definePipeline.ts';
export { eachEpoch } from './eachEpoch.ts';
export { fitTo } from './fitTo.ts';
export { type HeldOut, heldOut } from './heldOut.ts';
export { type HeldOutViews, heldOutViews } from './heldOutViews.ts';
export { shippedData } from './shippedData.ts';
export { default as train } from './train.ts';
