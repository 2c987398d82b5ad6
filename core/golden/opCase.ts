import type { Device } from '../devices/device.ts';
import { fail } from '../errors.ts';
import { crossEntropy } from '../losses/index.ts';
import { op } from '../ops/index.ts';
import type { Tensor } from '../ops/op.ts';
import { adam, adamw, type Optimizer, sgd } from '../optimizers/index.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { fillHyper, hyperLength, hyperTensor } from '../program/hyper.ts';
import type { Program } from '../program/program.ts';
import { elements, type Shape } from '../shape.ts';
import { type Errors, excess, type Golden, type GoldenCase } from './cases.ts';
import { type Layer, layers } from './layers.ts';
import { ours } from './layout.ts';
import { Workbench } from './workbench.ts';

/** Runs one reference case of an op, the loss or an optimizer on a device. */
export async function runOpCase(golden: Golden, testCase: GoldenCase, device: Device, exact = false): Promise<Errors> {
  if (Object.hasOwn(layers, testCase.op)) return runLayer(golden, testCase, device, layers[testCase.op], exact);
  if (testCase.op === 'cross_entropy') return runCrossEntropy(golden, testCase, device);
  if (testCase.op.startsWith('optimizer_')) return runOptimizer(golden, testCase, device);
  const known = [...Object.keys(layers), 'cross_entropy', ...Object.keys(optimizers).map(name => `optimizer_${name}`)];
  throw fail('data', `case ${testCase.case}`, `an op of ${known.join(', ')}`, `"${testCase.op}"`, 'Add it to core/golden/opCase.ts.');
}

async function runLayer(golden: Golden, testCase: GoldenCase, device: Device, layer: Layer, exact: boolean): Promise<Errors> {
  const read = (key: string, name: string) =>
    ours(golden.tensor(key), layer.activations.includes(name) || name === 'y' ? 'activation' : 'parameter');
  const torchShapes = Object.fromEntries(Object.entries(testCase.inputs).map(([name, key]) => [name, golden.tensor(key).shape]));
  const inputs = layer.activations.map(name => read(testCase.inputs[name], name));
  // a vector is a matrix of one row to us
  const shapes = inputs.map(({ shape }) => (shape.length === 1 ? [1, ...shape] : shape));
  const built = layerProgram(layer, layer.attributes(testCase.attrs, torchShapes), shapes);

  const outputs = Object.entries(testCase.outputs).map(([name, key]) => ({
    what: name,
    tensor: name === 'y' ? built.output.name : built.parameters[name]?.name,
    expected: read(key, name),
  }));
  const gradients = Object.entries(testCase.grads)
    .filter(([name]) => name !== 'y')
    .map(([name, key]) => {
      const input = layer.activations.indexOf(name);
      return {
        what: `d${name}`,
        tensor: input >= 0 ? built.gradients.inputs[input]?.name : built.gradients.parameters[name]?.name,
        expected: read(key, name),
      };
    });
  const compared = [...outputs, ...gradients];
  const bench = await Workbench.open(
    device,
    built.program,
    compared.flatMap(({ tensor }) => tensor ?? []),
    undefined,
    { exact },
  );
  try {
    for (const [i, tensor] of built.inputs.entries()) bench.write(tensor.name, inputs[i].data);
    bench.write('dy', read(testCase.grads.y, 'y').data);
    for (const [name, tensor] of Object.entries(built.parameters)) bench.write(tensor.name, read(testCase.inputs[name], name).data);
    await bench.run('forward', 'backward');
    const errors: Record<string, number> = {};
    for (const { what, tensor, expected } of compared) {
      errors[what] = tensor === undefined ? Number.POSITIVE_INFINITY : excess(await bench.read(tensor), expected.data);
    }
    return errors;
  } finally {
    bench.close();
  }
}

/** The op's forward and backward pass, as a graph with the single node `layer` would use it. */
function layerProgram({ op: name, mode }: Layer, attributes: Record<string, unknown>, shapes: readonly Shape[]) {
  const definition = op(name);
  const parsed = definition.attributes.parse(attributes);
  const builder = new ProgramBuilder();
  builder.node = 'layer';
  const inputs = shapes.map((shape, i) => builder.declare(`input ${i}`, 'input', shape));
  const parameters: Record<string, Tensor> = {};
  for (const { name: local, role, shape, layout, init } of definition.parameters?.(parsed, shapes) ?? []) {
    parameters[local] = builder.declare(`layer.${local}`, role, shape, { layout, init });
  }
  const context = { name: 'layer', attributes: parsed, inputs, parameters, mode: mode ?? ('train' as const) };
  const { output, saved = {} } = definition.forward(builder, context);
  if (definition.gradient === 'none') throw new Error(`op ${name} has no gradient to compare`);
  builder.segment = 'backward';
  const outputGradient = builder.declare('dy', 'input', output.shape);
  const gradients = definition.gradient(builder, { ...context, output, saved, outputGradient, needs: shapes.map(() => true) });
  return { program: builder.build(), inputs, parameters, output, gradients };
}

async function runCrossEntropy(golden: Golden, testCase: GoldenCase, device: Device): Promise<Errors> {
  const logits = ours(golden.tensor(testCase.inputs.x), 'activation');
  const target = ours(golden.tensor(testCase.inputs.target), 'activation');
  const builder = new ProgramBuilder();
  const tensors = { logits: builder.declare('logits', 'input', logits.shape), targets: builder.declare('targets', 'input', target.shape) };
  const hyper = hyperTensor(builder);
  const loss = crossEntropy({ labelSmoothing: Number(testCase.attrs.label_smoothing ?? 0) });
  const { result, gradient } = loss.build(builder, { ...tensors, hyper, train: true });
  const bench = await Workbench.open(device, builder.build(), [result.name, gradient!.name]);
  try {
    bench.write('logits', logits.data);
    bench.write('targets', target.data);
    bench.write(hyper.name, hyperOf({ lr: 0, step: 0 }));
    await bench.run('forward', 'backward');
    const [mean] = await bench.read(result.name);
    const factor = golden.tensor(testCase.grads.y).data[0] as number;
    const dx = Float32Array.from(await bench.read(gradient!.name), value => value * factor);
    return {
      y: excess([mean], golden.tensor(testCase.outputs.y).data as Float32Array),
      dx: excess(dx, golden.tensor(testCase.grads.x).data as Float32Array),
    };
  } finally {
    bench.close();
  }
}

const optimizers: Readonly<Record<string, (attrs: GoldenCase['attrs']) => Optimizer>> = {
  sgd: ({ lr, momentum, weight_decay, nesterov }) =>
    sgd({ lr: Number(lr), momentum: optional(momentum), weightDecay: optional(weight_decay), nesterov: nesterov === true }),
  adam: ({ lr, weight_decay }) => adam({ lr: Number(lr), weightDecay: optional(weight_decay) }),
  adamw: ({ lr, weight_decay }) => adamw({ lr: Number(lr), weightDecay: optional(weight_decay) }),
};
const optional = (value: GoldenCase['attrs'][string] | undefined) => (value === undefined ? undefined : Number(value));

/** Steps 0, 1, … from the gradients given; `p{step}` is the parameter after each. */
async function runOptimizer(golden: Golden, testCase: GoldenCase, device: Device): Promise<Errors> {
  const name = testCase.op.slice('optimizer_'.length);
  if (!Object.hasOwn(optimizers, name)) {
    throw fail(
      'data',
      `case ${testCase.case}`,
      `an optimizer of ${Object.keys(optimizers).join(', ')}`,
      `"${name}"`,
      'Add it to core/golden/opCase.ts.',
    );
  }
  const optimizer = optimizers[name](testCase.attrs);
  const initial = ours(golden.tensor(testCase.inputs.p), 'activation');
  const builder = new ProgramBuilder();
  builder.segment = 'update';
  const parameter = builder.declare('p', 'parameter', initial.shape);
  const gradient = builder.declare('p:gradient', 'input', initial.shape);
  const hyper = hyperTensor(builder);
  optimizer.build(builder, { parameter: { ...parameter, kind: 'parameter' }, gradient, hyper });
  const program: Program = builder.build();
  const bench = await Workbench.open(device, program, []);
  try {
    bench.write('p', initial.data);
    for (const { name: state, kind, shape } of Object.values(program.tensors)) {
      if (kind === 'optimizer') bench.write(state, new Float32Array(elements(shape)));
    }
    const errors: Record<string, number> = {};
    for (let step = 0; testCase.outputs[`p${step}`] !== undefined; step++) {
      bench.write(gradient.name, golden.tensor(testCase.grads[`p${step}`]).data as Float32Array);
      bench.write(hyper.name, hyperOf({ lr: Number(testCase.attrs.lr), step, corrections: optimizer.corrections?.(step) }));
      await bench.run('update');
      errors[`p${step}`] = excess(await bench.read('p'), golden.tensor(testCase.outputs[`p${step}`]).data as Float32Array);
    }
    return errors;
  } finally {
    bench.close();
  }
}

function hyperOf(values: { lr: number; step: number; corrections?: { first: number; second: number } }): Float32Array {
  const hyper = new Float32Array(hyperLength);
  fillHyper(hyper, { seed: 0, ...values });
  return hyper;
}
