import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type DeviceName, deviceNames, didYouMean, fail, MillraceError } from '../core/index.ts';
import { benchData } from './commands/benchData.ts';
import { benchGemm } from './commands/benchGemm.ts';
import { benchKernels } from './commands/benchKernels.ts';
import { benchStep } from './commands/benchStep.ts';
import { dashboard } from './commands/dashboard.ts';
import { data, dataActions, dataOptions } from './commands/data/index.ts';
import { devices } from './commands/devices.ts';
import { evaluate } from './commands/evaluate.ts';
import { golden } from './commands/golden.ts';
import { Interrupted } from './commands/interrupt.ts';
import { models } from './commands/models.ts';
import { profile, profileSteps } from './commands/profile.ts';
import { train } from './commands/train.ts';
import { defaultPort } from './dashboard/server.ts';
import type { Pipeline } from './definePipeline.ts';
import { classesHelp, labelsAtHelp } from './run/chooseClasses.ts';
import { flagsOf } from './run/flags.ts';
import { loadDefault } from './run/loadModule.ts';
import { versions } from './run/versions.ts';
import { Output, type Streams } from './terminal/output.ts';
import recipe from './train.ts';

/** Runs one command line and returns the exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function run(args: readonly string[], streams: Streams = process): Promise<number> {
  const output = new Output(args.includes('--json'), streams, { quiet: args.includes('--quiet') });
  let status = 0;
  try {
    const program = await build(args, output, streams, code => {
      status = code;
    });
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    output.clear();
    if (error instanceof Interrupted) {
      output.summary({ interrupted: true });
      return 130;
    }
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // no command at all: the help was asked for in effect
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    streams.stderr.write(`${explain(error, args.includes('--verbose'))}\n`);
    return error instanceof CommanderError || (error instanceof MillraceError && error.kind === 'usage') ? 2 : 1;
  }
}

async function build(args: readonly string[], output: Output, streams: Streams, finish: (status: number) => void): Promise<Command> {
  const program = new Command('millrace')
    .description('Reactive dataflow for GPU training pipelines: RxJS stages, worker threads and gpu.js kernels.')
    .version(versions.millrace)
    .showSuggestionAfterError(true);
  const command = (parent: Command, name: string, description: string): Command =>
    prepareCommand(parent.command(name).description(description), streams);
  prepareCommand(program, streams);

  const pipeline = await pipelineOf(args);
  const training = command(program, 'train', `${pipeline.describe} Another pipeline is a file: train mine.ts.`).argument(
    '[pipeline]',
    'a file that default-exports definePipeline({ … })',
  );
  for (const flag of flagsOf(pipeline.options)) training.addOption(flag);
  training.addOption(port('--dashboard [PORT]', `a page in the browser to watch and steer the run (default port: ${defaultPort})`));
  training.option('--tensorboard', 'writes an event file for TensorBoard into the run folder; --resume goes on with it by itself');
  training.action(async (_file: string | undefined, options: Record<string, unknown>) => {
    const { json: _, verbose: __, quiet: ___, dashboard: page, tensorboard, ...given } = options;
    const shown = page !== undefined && { dashboard: page as number | true };
    finish(await train(pipeline, given, output, { ...shown, tensorBoard: tensorboard === true }));
  });

  const profiling = command(
    program,
    'profile',
    'Runs a pipeline for some hundred steps and says what limits it: a table, a report to look at, a trace for Perfetto.',
  ).argument('[pipeline]', 'a file that default-exports definePipeline({ … })');
  for (const flag of flagsOf(pipeline.options)) if (!notProfiled.has(flag.long ?? '')) profiling.addOption(flag);
  profiling
    .addOption(whole('--steps <N>', 'steps that are measured').default(profileSteps))
    .option('--out <DIR>', 'folder of the report (default: profiles/<date>-<model>)')
    .option('--compare <PROFILE>', 'sets another profile beside this one: its folder, or its profile.json')
    .action(async (_file: string | undefined, options: Record<string, unknown>) => {
      const {
        json: _,
        verbose: __,
        quiet: ___,
        steps,
        out,
        compare,
        ...given
      } = options as Record<string, unknown> & { readonly steps: number; readonly out?: string; readonly compare?: string };
      finish(
        await profile(pipeline, given, { steps, ...(out !== undefined && { out }), ...(compare !== undefined && { compare }) }, output),
      );
    });

  command(program, 'dashboard', 'Shows a run in the browser, finished or still going on, from its folder.')
    .argument('<run>', 'the folder that the run printed when it began')
    .addOption(port('--port <PORT>', `the first that is tried (default: ${defaultPort})`))
    .action(async (dir: string, options) => {
      finish(await dashboard(dir, options, output));
    });

  command(program, 'evaluate', 'Measures a checkpoint on the held-out images.')
    .argument('<checkpoint>', 'a run folder, or a checkpoint.safetensors; with --localization a file of guesses')
    .option('--data <DIR>', "folder of images (default: the run's, else the Fashion-MNIST that ships with Millrace)")
    .addOption(layout())
    .option('--classes <SYNSETS>', `${classesHelp} (default: the run's)`)
    .option('--labels-at <N|SYNSETS>', `${labelsAtHelp} (default: the run's)`)
    .option('--wordnet <DIR>', "where WordNet 3.0's data.noun is (default: the development kit beside the data, else wordnet-base)")
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .addOption(workers())
    .addOption(whole('--batch <N>', "images a pass (default: the run's)"))
    .addOption(
      new Option('--crops <N>', '10: corners and middle of each image, mirrored too, and their mean is measured')
        .choices(['1', '10'])
        .argParser(text => {
          if (text === '1' || text === '10') return Number(text);
          throw new InvalidArgumentError('It must be 1 or 10.');
        }),
    )
    .addOption(
      new Option(
        '--scales <PX,…>',
        'short sides of the images, 224,256,384: the middle square at each, and their mean is measured',
      ).argParser(text => {
        const sizes = text.split(',').map(Number);
        if (sizes.every(size => Number.isInteger(size) && size >= 1) && new Set(sizes).size === sizes.length) return sizes;
        throw new InvalidArgumentError('It must be different whole numbers with commas between them.');
      }),
    )
    .addOption(new Option('--average <WHAT>', 'of crops and scales (default: softmax)').choices(['softmax', 'logits']))
    .option(
      '--localization',
      "instead of a checkpoint: guesses with boxes, a CSV as Kaggle's LOC_val_solution.csv with up to five for each image, the surest first; " +
        'measured is how often class and box (IoU of 0.5 or more) are right',
    )
    .addOption(exact())
    .addOption(onError())
    .addOption(whole('--pixel-limit <N>', 'images with more pixels count as ones that cannot be read (default: 100 million)'))
    .addOption(
      new Option('--fail-on <LEVEL>', 'how much must be wrong with a file before it cannot be read (default: none for JPEGs)').choices([
        'none',
        'truncated',
        'error',
        'warning',
      ]),
    )
    .addOption(shrinkOnLoad())
    .action(async (checkpoint: string, options) => {
      finish(await evaluate(checkpoint, options, output));
    });

  command(program, 'golden', 'Runs reference cases from PyTorch: ops, losses, optimizers, models, training traces.')
    .argument('<dir>', 'folder with ops.json, ops.safetensors and models.json')
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .addOption(exact())
    .addOption(noFuse())
    .action(async (dir: string, options) => {
      finish(await golden(dir, options, output));
    });

  const bench = command(program, 'bench', 'Measures one thing alone.');
  command(bench, 'step', 'Training steps on synthetic images: forward, backward, update.')
    .option('--model <NAME|FILE>', 'a model of the registry or a graph', 'resnet18')
    .addOption(whole('--size <PX>', "height and width of the images (default: the model's own)"))
    .addOption(whole('--channels <N>', 'of the images').default(3))
    .addOption(whole('--classes <N>', 'of the last layer').default(1000))
    .addOption(whole('--batch <N>', 'images a step').default(32))
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .addOption(whole('--steps <N>', 'steps that are timed').default(20))
    .addOption(exact())
    .addOption(precision())
    .addOption(noFuse())
    .addOption(whole('--kernels [N]', 'tables of what each kernel takes, the N slowest of them one by one (default: 30)'))
    .addOption(positive('--peak-gflops <X>', "the device's limit, instead of measuring it"))
    .addOption(positive('--peak-bandwidth <X>', "the memory's limit in GB/s, instead of measuring it"))
    .action(async options => {
      finish(await benchStep(options, output));
    });
  command(bench, 'kernels', 'Every op of AlexNet and ResNet-50 in every pass: each variant, the gpu.js kernel, the limits of the device.')
    .addOption(modelBatches())
    .addOption(whole('--size <PX>', "height and width of the images (default: each model's own)"))
    .addOption(whole('--channels <N>', 'of the images').default(3))
    .addOption(whole('--classes <N>', 'of the last layer').default(1000))
    .option('--filter <TEXT>', 'only ops whose name has it: conv2d, relu.inputGradient')
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .option('--no-fuse', 'the shapes of a step without fusion')
    .addOption(positive('--seconds <S>', 'for each way to compute each shape').default(0.25))
    .addOption(positive('--patience <S>', 'gpu.js kernels that are expected to take longer are left out').default(20))
    .addOption(positive('--peak-gflops <X>', "the device's limit, instead of measuring it"))
    .addOption(positive('--peak-bandwidth <X>', "the memory's limit in GB/s, instead of measuring it"))
    .option('--out <FILE>', 'writes all rows there as JSON')
    .action(async options => {
      finish(await benchKernels(options, output));
    });
  command(bench, 'data', 'The data stages alone, with the full training augmentation.')
    .option('--data <DIR>', 'folder of images (default: the Fashion-MNIST that ships with Millrace)')
    .addOption(layout())
    .addOption(whole('--size <PX>', "height and width (default: the images' own if small, else 224)"))
    .addOption(workers())
    .addOption(whole('--batch <N>', 'images a batch').default(128))
    .addOption(positive('--seconds <S>', 'how long to measure').default(5))
    .addOption(onError())
    .addOption(shrinkOnLoad())
    .action(async options => {
      finish(await benchData(options, output));
    });
  command(bench, 'gemm', 'A matrix product [M,K]·[K,N].')
    .addOption(whole('--m <M>', 'rows of the result').makeOptionMandatory())
    .addOption(whole('--n <N>', 'columns of the result').makeOptionMandatory())
    .addOption(whole('--k <K>', 'length of the sums').makeOptionMandatory())
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .action(async options => {
      finish(await benchGemm(options, output));
    });

  const aboutData = command(program, 'data', 'What a data folder is: layout, classes, images. Actions do more with it.')
    .argument('<dir>', 'a folder, or an archive')
    .argument('[action]', dataActions.map(({ name, describe }) => `${name}: ${describe}`).join('; '))
    .argument('[target]', 'what the action is about')
    .addOption(layout());
  for (const option of dataOptions()) aboutData.addOption(option);
  aboutData.action(async (dir: string, action: string | undefined, target: string | undefined, options) => {
    finish(await data(dir, action, target, options, output));
  });

  command(program, 'models', 'The models with parameters and multiply-accumulates, the layers of one, or its plan on a device.')
    .argument('[model]', 'a name, or a graph of your own: FILE.json, FILE.ts')
    .addOption(whole('--classes <N>', 'of the last layer'))
    .addOption(whole('--size <PX>', 'height and width of the images'))
    .addOption(whole('--channels <N>', 'of the images'))
    .addOption(
      new Option('--plan [MODE]', 'what runs in a step, kernel by kernel: train or evaluate')
        .choices(['train', 'evaluate'])
        .preset('train'),
    )
    .addOption(whole('--batch <N>', 'of the plan').default(32))
    .addOption(device())
    .addOption(whole('--threads <N>', 'compute threads of the wasm device'))
    .addOption(exact())
    .addOption(precision())
    .addOption(noFuse())
    .action(async (name: string | undefined, options) => {
      finish(await models(name, options, output));
    });

  command(program, 'devices', 'What this machine has, what would be chosen, and why the others are not available.').action(async () => {
    finish(await devices(output));
  });
  return program;
}

/** What every command has; errors are thrown, and told once, by `run`. */
function prepareCommand(command: Command, streams: Streams): Command {
  return command
    .option('--json', 'one JSON object a line on stdout, the last one the summary')
    .option('--quiet', 'nothing but errors; --json and files as ever')
    .option('--verbose', 'errors with their stack')
    .exitOverride()
    .configureOutput({
      writeOut: text => streams.stdout.write(text),
      writeErr: text => streams.stderr.write(text),
      outputError: () => undefined,
    });
}

/** Flags that mean something else when a pipeline is profiled, or nothing. */
const notProfiled: ReadonlySet<string> = new Set(['--steps', '--out', '--resume', '--checkpoint-every']);

/** The pipeline that `train` is to run: its options have to be known before the command line can be read. */
async function pipelineOf(args: readonly string[]): Promise<Pipeline> {
  const name = args.find(arg => !arg.startsWith('-'));
  if (name !== 'train' && name !== 'profile') return recipe;
  const flags = new Set(flagsOf(recipe.options).flatMap(flag => (flag.required ? flag.long : []) ?? []));
  const at = args.indexOf(name);
  const file = args.find((arg, i) => i > at && /\.[mc]?[jt]s$/i.test(arg) && !flags.has(args[i - 1]));
  if (file === undefined) return recipe;
  const value = await loadDefault(file, 'a pipeline as its default export');
  if (typeof value === 'object' && value !== null && 'build' in value && 'options' in value) return value as Pipeline;
  throw fail('usage', file, 'a pipeline as its default export', typeof value, 'Write: export default definePipeline({ … }).');
}

const device = (): Option =>
  new Option('--device <NAME>', `what computes: ${deviceNames.join(', ')}`).default('auto').argParser((text): DeviceName => {
    const name = deviceNames.find(each => each === text);
    if (name) return name;
    throw fail(
      'usage',
      '--device',
      `one of ${deviceNames.join(', ')}`,
      `"${text}"`,
      `${didYouMean(text, deviceNames)}\`millrace devices\` tells what this machine has.`,
    );
  });
const exact = (): Option =>
  new Option('--exact', 'no Winograd, no Strassen: convolutions differ from their definition by the order of sums alone');
const precision = (): Option =>
  new Option('--precision <P>', 'mixed: 16-bit operands and 32-bit sums for the products of layers, on a GPU with tensor cores')
    .choices(['f32', 'mixed'])
    .default('f32');
const noFuse = (): Option => new Option('--no-fuse', 'no fusion: every layer is a kernel of its own, as in the graph');
const modelBatches = (): Option =>
  new Option('--models <LIST>', 'models with their batch sizes')
    .default(
      [
        { model: 'alexnet', batch: 16 },
        { model: 'resnet50', batch: 8 },
      ],
      'alexnet:16,resnet50:8',
    )
    .argParser(text =>
      text.split(',').map(part => {
        const [, model, batch] = /^(.+):([1-9]\d*)$/.exec(part) ?? [];
        if (model) return { model, batch: Number(batch) };
        throw new InvalidArgumentError('It must be models with batch sizes, such as alexnet:16,resnet50:8.');
      }),
    );
const layout = (): Option =>
  new Option('--layout <NAME>', 'which of two layouts in one folder is meant, as its warning calls them: folders, shards, …');
const onError = (): Option =>
  new Option('--on-error <WAY>', 'what becomes of a sample that cannot be read').choices(['skip', 'replace', 'throw']).default('throw');
const shrinkOnLoad = (): Option =>
  new Option('--shrink-on-load <WHEN>', 'when large JPEGs are decoded at a smaller scale; random: where crops are drawn at random')
    .choices(['random', 'always', 'never'])
    .default('random');
const whole = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(text => {
    if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
    throw new InvalidArgumentError('It must be a whole number of 1 or more.');
  });
const port = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(text => {
    if (/^\d+$/.test(text) && Number(text) <= 65535) return Number(text);
    throw new InvalidArgumentError('It must be a port, 1 to 65535 (0: any free one).');
  });
const workers = (): Option =>
  new Option('--workers <N|auto>', 'worker threads that decode images; auto: as many as serve best, up to the number of cores').argParser(
    text => {
      if (text === 'auto') return text;
      if (/^\d+$/.test(text) && Number(text) >= 1) return Number(text);
      throw new InvalidArgumentError("It must be a whole number of 1 or more, or 'auto'.");
    },
  );
const positive = (flags: string, description: string): Option =>
  new Option(flags, description).argParser(text => {
    if (Number(text) > 0 && Number.isFinite(Number(text))) return Number(text);
    throw new InvalidArgumentError('It must be a number above 0.');
  });

/** One plain paragraph; the stack only when asked for. */
function explain(error: unknown, verbose: boolean): string {
  if (verbose && error instanceof Error) return error.stack ?? error.message;
  if (error instanceof CommanderError) {
    const text = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    return `millrace: ${text}. \`millrace --help\` lists commands and options.`.replace(/([.?)])\. `/, '$1 `');
  }
  const message = error instanceof Error ? error.message : String(error);
  const text = message.replace(/\s*\n\s*/g, ' ');
  if (error instanceof MillraceError) return `millrace: ${text}`;
  return `millrace: ${text || 'something failed'} (an unexpected ${error instanceof Error ? error.name : 'error'}; --verbose shows where).`;
}
