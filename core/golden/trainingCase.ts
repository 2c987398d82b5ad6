/**
 * A model's training trace: full-batch SGD steps from weights that an integer hash gives, so that any program can start at
 * the same numbers. Losses, the first step's logits and gradient norms, norms after the last step, then logits in evaluation mode.
 */
import type { Device, DeviceBuffer } from '../devices/device.ts';
import { differentiate } from '../graph/differentiate.ts';
import type { Graph } from '../graph/graph.ts';
import { type GraphParameter, infer } from '../graph/infer.ts';
import { crossEntropy } from '../losses/index.ts';
import { sgd } from '../optimizers/index.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { fuse } from '../program/fuse.ts';
import { fillHyper, hyperLength, hyperName, hyperTensor } from '../program/hyper.ts';
import type { TensorEntry } from '../program/program.ts';
import { elements } from '../shape.ts';
import { fromTorchLayout, torchShape } from '../training/torchLayout.ts';
import { type Errors, excess, type GoldenModel, type GoldenTraining } from './cases.ts';
import { reorder } from './layout.ts';
import { Workbench } from './workbench.ts';

/** What a correct float32 implementation keeps to. */
const allowed = {
  losses: { absolute: 0, relative: 5e-4 },
  norms: { absolute: 1e-7, relative: 5e-3 },
  logits: { absolute: 1e-7, relative: 2e-3 },
};

/** n values in [-scale, scale): an integer hash of (index, seed), rounded to float32. */
export function fill(n: number, seed: number, scale = 1): Float32Array {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    let x = (Math.imul(i, 2654435761) + Math.imul(seed, 40503) + 12345) >>> 0;
    x ^= x >>> 16;
    x = Math.imul(x, 0x85ebca6b);
    x ^= x >>> 13;
    x = Math.imul(x, 0xc2b2ae35);
    x ^= x >>> 16;
    values[i] = (((x >>> 0) / 2 ** 32) * 2 - 1) * scale;
  }
  return values;
}

/** The weights that parameter number `index` starts from, in PyTorch's layout. `last` tells the last norm of a residual block. */
function startingWeights({ name, shape, layout }: GraphParameter, index: number, seed: number, last: RegExp | undefined) {
  const size = torchShape(shape, layout);
  const norm = name.includes('bn') || name.includes('downsample.1');
  const scale = size.length > 1 ? Math.sqrt(3 / elements(size.slice(1))) : 0.1;
  const data = fill(elements(size), seed * 7919 + index, scale);
  if (size.length === 1 && norm && name.endsWith('weight')) for (let i = 0; i < data.length; i++) data[i] += 1;
  if (last?.test(name)) for (let i = 0; i < data.length; i++) data[i] = Math.fround(data[i] * Math.fround(0.1));
  return fromTorchLayout({ shape: size, data }, layout).data;
}

/** Which norm weights are scaled down: the last of each residual block, which keeps the trace from amplifying rounding. */
const lastNorms: Readonly<Record<string, RegExp>> = { resnet18: /layer.*bn2\.weight$/, resnet50: /layer.*bn3\.weight$/ };

/** Runs the trace of `graph`, a model of torchvision's name without dropout. `onStep` is told after each step. */
export async function runTrainingCase(
  name: string,
  graph: Graph,
  trace: GoldenTraining,
  device: Device,
  onStep: (step: number) => void = () => undefined,
  { exact = false, fuse: fused = true }: { exact?: boolean; fuse?: boolean } = {},
): Promise<Errors> {
  const [batch, channels, height, width] = trace.input;
  const classes = trace.num_classes;
  const { lr, momentum, weight_decay: weightDecay } = trace.sgd;
  const optimizer = sgd({ lr, momentum, weightDecay });
  const { parameters } = infer(graph, batch);

  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, graph, { batch, mode: 'train', pixels: 'f32' });
  const hyper = hyperTensor(builder);
  const targets = builder.declare('targets', 'input', [batch]);
  const { result, gradient } = crossEntropy().build(builder, { logits, targets, hyper, train: true });
  backward(gradient!);
  const { gradients, tensors } = builder.build();
  builder.segment = 'update';
  for (const [parameter, of] of Object.entries(gradients)) {
    optimizer.build(builder, { parameter: tensors[parameter] as TensorEntry, gradient: builder.get(of), hyper });
  }
  const placed = new Map<string, DeviceBuffer>();
  const kept = [logits.name, ...Object.values(gradients)];
  const plain = builder.build();
  const bench = await Workbench.open(device, fused ? fuse(plain, kept) : plain, kept, placed, { exact, inPlace: fused });
  const errors: Record<string, number> = {};
  try {
    let index = 0;
    for (const parameter of parameters) {
      if (parameter.role === 'parameter') bench.write(parameter.name, startingWeights(parameter, index++, trace.seed, lastNorms[name]));
      else
        bench.write(
          parameter.name,
          new Float32Array(elements(parameter.shape)).fill(parameter.init.kind === 'constant' ? parameter.init.value : 0),
        );
    }
    for (const tensor of Object.values(bench.plan.program.tensors)) {
      if (tensor.kind === 'optimizer') bench.write(tensor.name, new Float32Array(elements(tensor.shape)));
    }
    const image = reorder(fill(batch * channels * height * width, trace.seed * 31), [batch, channels, height, width], [0, 2, 3, 1]);
    bench.write('pixels', image.data);
    bench.write(
      'targets',
      Float32Array.from({ length: batch }, (_, i) => i % classes),
    );
    for (const [step, loss] of trace.losses.entries()) {
      bench.write(hyperName, hyperOf(lr, step));
      await bench.run('forward', 'backward');
      errors[`loss ${step}`] = excess([(await bench.read(result.name))[0]], [loss], allowed.losses);
      if (step === 0) {
        errors['first logits'] = excess(await bench.read(logits.name), trace.first_step.logits, allowed.logits);
        errors['gradient norms'] = await compareNorms(trace.first_step.grad_l2, parameter => bench.read(gradients[parameter]));
      }
      await bench.run('update');
      onStep(step);
    }
    errors['parameter norms after'] = await compareNorms(trace.param_l2_after, parameter => bench.read(parameter));
    errors['buffer norms after'] = await compareNorms(trace.buffer_l2_after, buffer => bench.read(buffer));
    errors['evaluation logits'] = excess(
      await evaluated(graph, batch, image.data, device, { placed, exact, fuse: fused }),
      trace.eval_logits_after,
      allowed.logits,
    );
    return errors;
  } finally {
    bench.close();
  }
}

async function evaluated(
  graph: Graph,
  batch: number,
  image: Float32Array,
  device: Device,
  { placed, exact, fuse: fused }: { placed: Map<string, DeviceBuffer>; exact: boolean; fuse: boolean },
): Promise<Float32Array> {
  const builder = new ProgramBuilder();
  const { logits } = differentiate(builder, graph, { batch, mode: 'evaluate', pixels: 'f32' });
  // the weights are the training bench's own; everything else is new
  const weights = new Map(
    [...placed].filter(([name]) => builder.has(name) && name !== 'pixels' && name !== hyperName && name !== logits.name),
  );
  const plain = builder.build();
  const program = fused ? fuse(plain, [logits.name]) : plain;
  const bench = await Workbench.open(device, program, [logits.name], weights, { exact, inPlace: fused });
  try {
    bench.write('pixels', image);
    bench.write(hyperName, hyperOf(0, 0));
    await bench.run('forward');
    return await bench.read(logits.name);
  } finally {
    bench.close();
  }
}

/** The worst of all tensors; a tensor that is missing on one side is infinitely wrong. */
async function compareNorms(expected: Readonly<Record<string, number>>, read: (name: string) => Promise<Float32Array>): Promise<number> {
  let worst = 0;
  for (const [name, norm] of Object.entries(expected)) {
    const values = await read(name);
    const ours = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    worst = Math.max(worst, excess([ours], [norm], allowed.norms));
  }
  return worst;
}

function hyperOf(lr: number, step: number): Float32Array {
  const hyper = new Float32Array(hyperLength);
  fillHyper(hyper, { lr, step, seed: 0 });
  return hyper;
}

/** Names and shapes of a model's tensors against torchvision's: infinite for each that differs. */
export function compareInventory(graph: Graph, expected: GoldenModel): Errors {
  const { parameters } = infer(graph, 1);
  const errors: Record<string, number> = {};
  const count = parameters.filter(({ role }) => role === 'parameter').reduce((sum, { shape }) => sum + elements(shape), 0);
  errors.parameters = count === expected.parameters ? 0 : Number.POSITIVE_INFINITY;
  const shapes = new Map(parameters.map(({ name, shape, layout }) => [name, torchShape(shape, layout).join('×')]));
  for (const [name, shape] of Object.entries(expected.state))
    if (shapes.get(name) !== shape.join('×')) errors[name] = Number.POSITIVE_INFINITY;
  for (const name of shapes.keys()) if (!Object.hasOwn(expected.state, name)) errors[name] = Number.POSITIVE_INFINITY;
  return errors;
}
