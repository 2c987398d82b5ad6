/** The public surface of the core: what users and the other folders import. */

export { unwritable, writeAtomically } from './checkpoint/atomic.ts';
export {
  type Checkpoint,
  type CheckpointFacts,
  checkpointBytes,
  optimizerBytes,
  type Position,
  readCheckpoint,
  readOptimizer,
  readWeights,
} from './checkpoint/checkpoint.ts';
export { closest, didYouMean } from './closest.ts';
export { type Annotations, readSolution, type Solution } from './data/annotations.ts';
export { iou, type Localized, localization, type Rectangle } from './data/boxes.ts';
export type { DataLayout, Indexing, OpenSplit, OpenWatch, PlaceNames } from './data/dataLayout.ts';
export { Demand, Lease } from './data/demand.ts';
export { type FindSynset, Hierarchy, type Synset } from './data/imagenet/hierarchy.ts';
export { type FoundHierarchy, findHierarchy, type HierarchyPlace, openHierarchy } from './data/imagenet/openHierarchy.ts';
export { readWordNet } from './data/imagenet/wordnet.ts';
export { type PictureFacts, pictureFacts } from './data/pictureFacts.ts';
export { type PictureFile, pictureFile } from './data/pictureFile.ts';
export type { PipelineState } from './data/pipelineState.ts';
export { type PixelEdit, shownPixels } from './data/pixelEdit.ts';
export type {
  Bad,
  Batch,
  Box,
  DataSet,
  ImageJob,
  Normalization,
  Picture,
  Pixels,
  Sample,
  SharedLease,
  SourceOptions,
  Transform,
} from './data/sample.ts';
export { draftSuffix, type ShardSample, ShardWriter, shardLists, type WrittenShard } from './data/shardWriter.ts';
export { HeldLeases } from './data/sharedLease.ts';
export { SlotPool } from './data/slots.ts';
export type { Augmentation } from './data/transforms.ts';
export type { Argument, CompiledSegment, Device, DeviceBuffer, DeviceKind, PlacedLaunch } from './devices/device.ts';
export { type Limits, leastMs, measureLimits } from './devices/limits.ts';
export { type DeviceName, type DeviceReport, describeDevices, deviceNames, type OpenOptions, openDevice } from './devices/open.ts';
export { type Complaint, type ErrorKind, fail, MillraceError, show } from './errors.ts';
export {
  compareInventory,
  type Errors,
  type Golden,
  type GoldenCase,
  type GoldenModel,
  type GoldenTraining,
  type OpenProblem,
  openProblem,
  openProduct,
  type Problem,
  type Product,
  readGolden,
  runOpCase,
  runTrainingCase,
  trainingProblems,
  waysOf,
} from './golden/index.ts';
export { atSize } from './graph/atSize.ts';
export { GraphBuilder, graph, type Value } from './graph/builder.ts';
export type { Graph, GraphNode } from './graph/graph.ts';
export { graphFromJson, graphToJson } from './graph/json.ts';
export { macs, parameters, type SummaryRow, summary } from './graph/summary.ts';
export { verify } from './graph/verify.ts';
export type { Kernel, KernelFunction, KernelThis, Launch, Quad } from './kernels/kernel.ts';
export type { Variant, VariantLaunch, VariantTerms, WasmRoutine, WgslArray, WgslBody } from './kernels/variant.ts';
export { type CrossEntropyOptions, crossEntropy, type Loss, type LossInputs } from './losses/index.ts';
export { Meter, MeterSet } from './meter.ts';
export * from './ops/index.ts';
export type { Cost, Gradients, Op, Primitive, Tensor } from './ops/op.ts';
export * from './optimizers/index.ts';
export type { MemoryUse } from './plan/memory.ts';
export type { Plan } from './plan/plan.ts';
export { type PlanRow, planRows, planTable } from './plan/table.ts';
export type { Tuned } from './pool/tuning.ts';
export { WorkerPool, type WorkerPoolOptions } from './pool/workerPool.ts';
export { type PredictOptions, predict } from './profile/predict.ts';
export type { PipelineReading } from './profile/reading.ts';
export type {
  DepthOverTime,
  DeviceMemory,
  DeviceSnapshot,
  Durations,
  MachineSnapshot,
  PipelineSnapshot,
  Place,
  Profile,
  StageSnapshot,
  TransferSnapshot,
  WorkersSnapshot,
} from './profile/snapshot.ts';
export { type Span, Trace } from './profile/trace.ts';
export { type Change, type Prediction, type Verdict, verdict } from './profile/verdict.ts';
export { ProgramBuilder } from './program/builder.ts';
export type { Program, ProgramNode } from './program/program.ts';
export { hash, normals, purpose, uniforms } from './random.ts';
export type { Shape } from './shape.ts';
export { type CompiledModel, type CompileOptions, compile, type LossResult, type Mode } from './training/compiledModel.ts';
export type { Lock } from './training/lock.ts';
export {
  type LaunchTime,
  measureFixedShare,
  type NodeTime,
  profileSegments,
  profiles,
  type StepSegment,
  traceSegments,
} from './training/profile.ts';
export type { Evaluation, Pass, Step } from './training/records.ts';
export type { TensorData } from './training/torchLayout.ts';
export type { Watcher } from './training/watcher.ts';
