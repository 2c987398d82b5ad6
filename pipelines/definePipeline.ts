import type { Observable, Observer } from 'rxjs';
import { z } from 'zod';
import type {
  CompiledModel,
  DataSet,
  Device,
  Evaluation,
  LearningRate,
  MeterSet,
  Normalization,
  Position,
  Schedule,
  Step,
} from '../core/index.ts';
import type { DecodeOptions } from '../operators/index.ts';
import { classesHelp, labelsAtHelp } from './run/chooseClasses.ts';

const count = () => z.number().int().min(1);

/**
 * What every pipeline understands. A pipeline's own options are added to these, and may give one of them another default:
 * `z.object({ batch: z.number().int().min(1).default(256).describe('images a step') })`.
 */
export const commonOptions = z.object({
  model: z
    .string()
    .optional()
    .describe(
      'a name from `millrace models`, or a graph of your own: FILE.json, FILE.ts (default: resnet8 for small images, else resnet18)',
    ),
  weights: z.string().optional().describe('start from these weights: a checkpoint, or any safetensors file with the same names'),
  data: z
    .string()
    .optional()
    .describe('folder of images: image folders, WebDataset shards or IDX files (default: the Fashion-MNIST that ships with Millrace)'),
  layout: z.string().optional().describe('which of two layouts in one folder is meant, as its warning calls them: folders, shards, …'),
  classes: z.string().optional().describe(classesHelp),
  labelsAt: z.string().optional().describe(labelsAtHelp),
  wordnet: z
    .string()
    .optional()
    .describe(
      "for --classes and --labels-at: where WordNet 3.0's data.noun is (default: the development kit beside the data, else wordnet-base)",
    ),
  size: count().optional().describe('height and width that images are brought to, in pixels (default: their own if small, else 224)'),
  device: z
    .enum(['auto', 'webgpu', 'webgpu:software', 'wasm', 'cpu'])
    .default('auto')
    .describe('what computes; auto: a GPU if there is one, else wasm'),
  threads: count().optional().describe('compute threads of the wasm device (default: one for each core)'),
  exact: z
    .boolean()
    .default(false)
    .describe(
      'no Winograd, no Strassen: convolutions differ from their definition by the order of sums alone, and take up to twice the time',
    ),
  precision: z
    .enum(['f32', 'mixed'])
    .default('f32')
    .describe('mixed: 16-bit operands and 32-bit sums for the products of layers, on a GPU with tensor cores; with loss scaling'),
  fuse: z.boolean().default(true).describe('no fusion: every layer is a kernel of its own, as in the graph'),
  workers: z
    .union([count(), z.literal('auto')])
    .optional()
    .describe(
      'worker threads that decode images; auto: as many as serve best, up to the number of cores (default: one fewer than cores, at least one)',
    ),
  batch: count().default(32).describe('images a step'),
  epochs: count().default(12).describe('times through the data'),
  steps: count().optional().describe('stop after this many steps, whatever the epochs'),
  lr: z.number().positive().default(0.1).describe('learning rate, the highest of the schedule'),
  seed: z
    .number()
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(1)
    .describe('start of all randomness'),
  onError: z.enum(['skip', 'replace', 'throw']).default('throw').describe('what becomes of a sample that cannot be read'),
  pixelLimit: count()
    .default(100_000_000)
    .describe('images with more pixels count as ones that cannot be read, before memory is spent on them'),
  failOn: z
    .enum(['none', 'truncated', 'error', 'warning'])
    .optional()
    .describe('how much must be wrong with a file before it cannot be read (default: none for JPEGs, what can be read of them is taken)'),
  shrinkOnLoad: z
    .enum(['random', 'always', 'never'])
    .default('random')
    .describe('when large JPEGs are decoded at a smaller scale; random: where crops are drawn at random, so not in evaluation'),
  checkpointEvery: count().default(500).describe('steps between checkpoints within an epoch'),
  out: z.string().optional().describe('run folder (default: runs/<date>-<model>)'),
  resume: z.string().optional().describe('go on with the run in this folder'),
});
export type CommonOptions = z.output<typeof commonOptions>;

/** Accuracy on the held-out images after an epoch. */
export interface EpochEvaluation extends Evaluation {
  /** 0-based, as in `Step`. */
  readonly epoch: number;
}
/** What a pipeline emits: steps, and evaluations between them. */
export type PipelineRecord = Step | EpochEvaluation;
export const isStep = (record: PipelineRecord): record is Step => 'step' in record;

/** The pictures that the model wants. */
export interface Images {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
  /** Up to 64 pixels: cropped with padding; larger ones are cut from larger pictures. */
  readonly small: boolean;
  /** The data's images have this very size: nothing to resize. */
  readonly native: boolean;
  /** Measured on the data for small images, ImageNet's otherwise. */
  readonly normalization: Normalization;
}

/** What a pipeline gets. Nothing in it depends on which model, data or device was asked for, so swapping one changes no loop. */
export interface PipelineContext<Options = CommonOptions> {
  /** Validated, with defaults filled in. */
  readonly options: Options & { readonly workers: number | 'auto' };
  readonly device: Device;
  /** The graph of `--model`, compiled for the device and the batch; holds the weights. */
  readonly model: CompiledModel;
  readonly data: { readonly train: DataSet; readonly test: DataSet };
  readonly images: Images;
  /** Full batches in an epoch. */
  readonly stepsPerEpoch: number;
  /** Steps still to do in an epoch, as --steps and a resumed run allow. Put `take(stepsLeft(epoch))` before `forward`. */
  stepsLeft(epoch: number): number;
  /** Whether nothing of an epoch is left to do, not even its evaluation: the run was stopped, or --steps was reached before it. */
  finished(epoch: number): boolean;
  /** Of the whole run, also where it goes on from a checkpoint. */
  readonly totalSteps: number;
  /** Where the run begins: all zero unless it is resumed. */
  readonly start: Position;
  /** Give it to the training source: the progress line and the table of stages read it. */
  readonly meters: MeterSet;
  /** For `decode`: worker threads that outlive an epoch, the channels that the model wants, and what becomes of bad samples. */
  readonly decoding: DecodeOptions;
  /** Emits when the run is to end early. Put `takeUntil(stop$)` before `forward`, so that the step under way is finished. */
  readonly stop$: Observable<unknown>;
  /** Follows the schedule until someone steers it: `lr$.next(0.01)` holds from the next step on, `undefined` gives it back. */
  lr(schedule: Schedule): LearningRate;
  readonly lr$: Observer<number | undefined>;
  /** The run folder's path. */
  readonly folder: string;
}

export interface PipelineDefinition<Shape extends z.ZodRawShape> {
  /** For people and the run's config. */
  readonly name: string;
  /** One sentence for --help. */
  readonly describe: string;
  /** Its own options, each with a default and `.describe(…)`: they become flags, are validated and saved. */
  readonly options?: z.ZodObject<Shape>;
  /** Cold: nothing runs before it is subscribed to. */
  build(context: PipelineContext<CommonOptions & z.output<z.ZodObject<Shape>>>): Observable<PipelineRecord>;
}
/** What `train`, `profile` and `bench` run. */
export interface Pipeline {
  readonly name: string;
  readonly describe: string;
  /** Common and own options together. */
  readonly options: z.ZodObject;
  build(context: PipelineContext): Observable<PipelineRecord>;
}

/**
 * Makes a file a pipeline: `export default definePipeline({ … })`, and `millrace train my-pipeline.ts` runs it.
 *
 *     export default definePipeline({
 *       name: 'mine',
 *       describe: 'Adam at a constant rate.',
 *       options: z.object({ beta: z.number().default(0.9).describe('first moment') }),
 *       build: ({ data, options, model, ... }) => data.train.samples({ ... }).pipe( ..., forward(model), ... ),
 *     });
 */
export function definePipeline<Shape extends z.ZodRawShape = Record<never, never>>(definition: PipelineDefinition<Shape>): Pipeline {
  const { name, describe, options } = definition;
  return {
    name,
    describe,
    options: options ? commonOptions.extend(options.shape) : commonOptions,
    // What arrives was validated by the schema above, which the types of the context are derived from.
    build: context => definition.build(context as Parameters<typeof definition.build>[0]),
  };
}
