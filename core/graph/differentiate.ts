import { fail } from '../errors.ts';
import type { Gradients, NodeContext, Tensor } from '../ops/op.ts';
import type { ProgramBuilder } from '../program/builder.ts';
import { hyperTensor } from '../program/hyper.ts';
import { same, text } from '../shape.ts';
import type { Graph } from './graph.ts';
import { type InferredNode, infer } from './infer.ts';
import { imageInput } from './structure.ts';

export interface DifferentiateOptions {
  /** Images of one pass. */
  readonly batch: number;
  /** Batch statistics and dropout, or running statistics and none. */
  readonly mode: 'train' | 'evaluate';
  /** What the host writes: bytes that the device turns into normalised floats, or the floats themselves. */
  readonly pixels: 'u8' | 'f32';
  /** Parameters that keep their values, by name: for transfer learning. Below the first trained one, no backward pass runs. */
  readonly frozen?: (parameterName: string) => boolean;
}

/** A forward pass that has been written, and the way to write its backward pass. */
export interface Differentiation {
  /** [N, classes]. */
  readonly logits: Tensor;
  /** Names of the parameters that get gradients, in the graph's order. Empty in mode 'evaluate'. */
  readonly trained: readonly string[];
  /**
   * Writes the backward segment from the gradient of the logits, which the loss computes, and registers the gradient of
   * every trained parameter. Once, in mode 'train'.
   */
  backward(logitsGradient: Tensor): void;
}

/**
 * Autodiff: writes the forward pass of a graph into a program, and on demand its backward pass (reverse accumulation: the
 * nodes in reverse order, the gradients of a value with several readers summed). A function of data: no weights, no device.
 *
 *     const { logits, backward } = differentiate(program, graph, { batch: 32, mode: 'train', pixels: 'u8' });
 *     const { gradient } = loss.build(program, { logits, targets, hyper: hyperTensor(program), train: true });
 *     backward(gradient!);
 *
 * Declares the inputs `pixels` [N,H,W,C], for bytes `normalization` [2,C] (mean and 1/standard deviation) and `hyper`, and
 * the graph's parameters and state under their checkpoint names. A node's output has the node's name, the images are `input`.
 * Primitives that turn out to have no reader (the gradient of a frozen filter whose layer still passes one on) stay in the
 * program: `prune` removes them.
 * Throws a MillraceError of kind 'graph' for a graph that does not verify, or whose op has no gradient where one is needed.
 */
export function differentiate(program: ProgramBuilder, graph: Graph, options: DifferentiateOptions): Differentiation {
  const { nodes, parameters, output } = infer(graph, options.batch);
  const trains = (name: string) => options.mode === 'train' && !options.frozen?.(name);
  const trained = parameters.filter(({ name, role }) => role === 'parameter' && trains(name)).map(({ name }) => name);

  const values = new Map<string, Tensor>([[imageInput, declareImages(program, graph, options)]]);
  for (const { name, role, shape, layout, init } of parameters) program.declare(name, role, shape, { layout, init });
  program.segment = 'forward';
  const written = nodes.map(node => writeForward(program, node, values, options.mode));
  program.node = '';
  const logits = values.get(graph.output)!;

  let wroteBackward = false;
  const backward = (logitsGradient: Tensor) => {
    const where = `backward pass of graph "${graph.name}"`;
    if (options.mode !== 'train')
      throw fail('state', where, "mode 'train'", `mode '${options.mode}'`, "Call differentiate with mode: 'train'.");
    if (wroteBackward)
      throw fail(
        'state',
        where,
        'one call of backward',
        'a second one',
        'Add the losses up and call it once with the gradient of the sum.',
      );
    if (!same(logitsGradient.shape, output)) {
      throw fail(
        'graph',
        where,
        `a gradient of the logits' shape ${text(output)}`,
        text(logitsGradient.shape),
        'Pass the gradient that the loss computes.',
      );
    }
    if (trained.length === 0) {
      throw fail(
        'graph',
        where,
        'at least one trained parameter',
        `${parameters.length} frozen ones`,
        'Let frozen return false for some, usually the last linear layer.',
      );
    }
    wroteBackward = true;
    program.segment = 'backward';
    writeBackward(program, written, graph.output, logitsGradient, new Set(trained));
    program.node = '';
  };
  return { logits, trained, backward };
}

function declareImages(program: ProgramBuilder, graph: Graph, { batch, pixels: dtype }: DifferentiateOptions): Tensor {
  const shape = [batch, ...graph.input];
  const pixels = program.declare('pixels', 'input', shape, { dtype });
  hyperTensor(program);
  if (dtype === 'f32') return pixels;
  const normalization = program.declare('normalization', 'input', [2, graph.input[2]]);
  program.segment = 'forward';
  program.node = imageInput;
  return program.emit('toFloat', imageInput, shape, [pixels, normalization]);
}

interface WrittenNode {
  readonly node: InferredNode;
  readonly context: NodeContext<unknown>;
  readonly output: Tensor;
  readonly saved: Readonly<Record<string, Tensor>>;
}

function writeForward(program: ProgramBuilder, node: InferredNode, values: Map<string, Tensor>, mode: 'train' | 'evaluate'): WrittenNode {
  program.node = node.name;
  const context = {
    name: node.name,
    attributes: node.attributes,
    inputs: node.inputs.map(name => values.get(name)!),
    parameters: Object.fromEntries(node.parameters.map(({ local, name }) => [local, program.get(name)])),
    mode,
  };
  const { output, saved = {} } = node.op.forward(program, context);
  if (!same(output.shape, node.output)) {
    throw new Error(`${node.where}: op.shape says ${text(node.output)}, op.forward gave ${text(output.shape)}`);
  }
  values.set(node.name, output);
  return { node, context, output, saved };
}

function writeBackward(
  program: ProgramBuilder,
  written: readonly WrittenNode[],
  outputName: string,
  logitsGradient: Tensor,
  trained: ReadonlySet<string>,
): void {
  const needed = needGradients(written, trained);
  const gradients = new GradientSums(program);
  const parameterGradients = new Map<string, Tensor>();
  gradients.add(outputName, logitsGradient);
  for (const { node, context, output, saved } of written.toReversed()) {
    if (!needed.has(node.name)) continue;
    program.node = node.name;
    // every needed node leads to the output, and its readers are needed too: its gradient is there and complete
    const outputGradient = gradients.get(node.name)!;
    const needs = node.inputs.map(name => needed.has(name));
    const found = gradientOf(node)(program, { ...context, output, saved, outputGradient, needs });
    node.inputs.forEach((name, i) => {
      if (needs[i]) gradients.add(name, given(found.inputs[i], node, `input ${i}`));
    });
    for (const { name, local } of node.parameters) {
      if (trained.has(name)) parameterGradients.set(name, given(found.parameters[local], node, local));
    }
  }
  for (const name of trained) program.gradientOf(program.get(name), parameterGradients.get(name)!);
}

/** The nodes whose output depends on a trained parameter: the others need no backward pass. */
function needGradients(written: readonly WrittenNode[], trained: ReadonlySet<string>): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const { node } of written) {
    if (node.inputs.some(name => needed.has(name)) || node.parameters.some(({ name }) => trained.has(name))) needed.add(node.name);
  }
  return needed;
}

function gradientOf({ op, where }: InferredNode) {
  if (op.gradient !== 'none') return op.gradient;
  throw fail(
    'graph',
    where,
    'an op with a gradient',
    `${op.name}, which has none`,
    'Use it below the first trained layer only, or leave it out of the training graph.',
  );
}

function given(gradient: Gradients['inputs'][number], { where }: InferredNode, of: string): Tensor {
  if (!gradient) throw new Error(`${where}: op.gradient gave nothing for ${of}`);
  return gradient;
}

/** The gradient of each value, summed over its readers as they are written. */
class GradientSums {
  readonly #sums = new Map<string, { tensor: Tensor; terms: number }>();

  constructor(readonly program: ProgramBuilder) {}

  get(value: string): Tensor | undefined {
    return this.#sums.get(value)?.tensor;
  }

  add(value: string, gradient: Tensor): void {
    const sum = this.#sums.get(value);
    const terms = (sum?.terms ?? 0) + 1;
    const tensor = sum ? this.program.emit('add', `${value}:sum${terms}`, gradient.shape, [sum.tensor, gradient]) : gradient;
    this.#sums.set(value, { tensor, terms });
  }
}
