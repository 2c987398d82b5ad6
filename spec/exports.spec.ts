import assert from 'node:assert/strict';
import * as core from '../core/index.ts';
import * as models from '../models/index.ts';
import * as operators from '../operators/index.ts';
import * as pipelines from '../pipelines/index.ts';

/** A name that appears or goes is a decision: it is made here too. */
const expected = {
  millrace:
    'Demand GraphBuilder HeldLeases Hierarchy Lease Meter MeterSet MillraceError ProgramBuilder ShardWriter SlotPool Trace WorkerPool adam adamw atSize checkpointBytes closest compareInventory compile constant cosine crossEntropy describeDevices deviceNames didYouMean draftSuffix fail findHierarchy graph graphFromJson graphToJson hash iou leastMs localization macs measureFixedShare measureLimits normals oneCycle op opNames openDevice openHierarchy openProblem openProduct optimizerBytes parameters pictureFacts pictureFile planRows planTable predict primitive primitiveNames profileSegments profiles purpose readCheckpoint readGolden readLearningRate readOptimizer readSolution readWeights readWordNet registerOp registerPrimitive runOpCase runTrainingCase sgd shardLists show shownPixels stepDecay summary traceSegments trainingProblems uniforms unwritable verdict verify waysOf writeAtomically',
  'millrace/operators':
    'atLevel atSynsets augment averageScores backward batch centerCrop colorJitter cropToBox cutMix decode epochs evaluate forward grayscale horizontalFlip idx imageFolder meter metered mixUp normalize openDataSet optimize pcaLighting pixels prefetch profile randAugment randomCrop randomErasing randomResizedCrop randomShortSide resize scores shard shuffle snapshots tenCrop trivialAugmentWide webDataset withinSynsets',
  'millrace/models':
    'alexnet alexnet2012 model models registerModel resnet101 resnet152 resnet18 resnet20 resnet32 resnet34 resnet44 resnet50 resnet56 resnet8 tiny',
  'millrace/pipelines': 'commonOptions cropTo definePipeline eachEpoch fitTo heldOut heldOutViews isStep shippedData train',
};

describe('public exports', () => {
  const names = (module: object) => Object.keys(module).sort();
  it('should be these @smoke', () => {
    const found = {
      millrace: names(core),
      'millrace/operators': names(operators),
      'millrace/models': names(models),
      'millrace/pipelines': names(pipelines),
    };
    for (const [entry, list] of Object.entries(found)) assert.deepEqual(list, expected[entry as keyof typeof expected].split(' '), entry);
  });
});
