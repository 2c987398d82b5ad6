import { fail } from '../errors.ts';
import type { Initializer } from '../ops/op.ts';
import type { Shape } from '../shape.ts';
import type { Graph, GraphNode } from './graph.ts';
import { inferNode } from './infer.ts';
import { checkHeader, checkName, checkNode, imageInput, nodeLabel } from './structure.ts';
import { verify } from './verify.ts';

/** What a node of a growing graph gives; its shape is known as soon as it is written. */
export interface Value {
  readonly name: string;
  /** For one image, without N: [height, width, channels] or [features]. */
  readonly shape: Shape;
}

export interface Conv2dAttributes {
  filters: number;
  kernel: number | readonly [number, number];
  stride?: number;
  padding?: number;
  dilation?: number;
  groups?: number;
  bias?: boolean;
  init?: WeightInit;
}
export interface LinearAttributes {
  features: number;
  bias?: boolean;
  init?: WeightInit;
}
export interface WeightInit {
  weight?: Initializer;
  bias?: Initializer;
}
export interface PoolAttributes {
  kernel: number;
  stride?: number;
  padding?: number;
  ceilMode?: boolean;
}

/**
 * Writes a graph like a recipe, one call a layer, each checked at once:
 *
 *     const g = graph('tiny', [28, 28, 1]);
 *     let x = g.conv2d('conv1', g.input, { filters: 8, kernel: 3, padding: 1 });
 *     x = g.relu('relu', x);
 *     x = g.linear('fc', g.flatten('flatten', x), { features: 10 });
 *     export default g.output(x);
 *
 * `input` is [height, width, channels]. Names are checkpoint keys. Every method throws a MillraceError of kind 'graph'
 * that names the node if its inputs do not fit.
 */
export function graph(name: string, input: readonly [number, number, number]): GraphBuilder {
  return new GraphBuilder(name, input);
}

export class GraphBuilder {
  /** The images. */
  readonly input: Value;
  readonly #nodes = new Map<string, GraphNode>();
  readonly #values = new Map<string, Value>();

  constructor(
    readonly name: string,
    readonly size: readonly [number, number, number],
  ) {
    checkHeader(this.#graph(''));
    this.input = this.#remember({ name: imageInput, shape: size });
  }

  /** Convolution; `kernel` is a number or [rows, columns]. */
  conv2d = (name: string, x: Value, attributes: Conv2dAttributes): Value => this.node('conv2d', name, [x], attributes);
  /** Matrix product on [N,features]; `flatten` comes before it. */
  linear = (name: string, x: Value, attributes: LinearAttributes): Value => this.node('linear', name, [x], attributes);
  /** eps is 1e-5 and momentum 0.1 unless told. */
  batchNorm2d = (name: string, x: Value, attributes: { eps?: number; momentum?: number; init?: WeightInit } = {}): Value =>
    this.node('batchNorm2d', name, [x], attributes);
  relu = (name: string, x: Value): Value => this.node('relu', name, [x]);
  /** `stride` is the kernel's size unless told. */
  maxPool2d = (name: string, x: Value, attributes: PoolAttributes): Value => this.node('maxPool2d', name, [x], attributes);
  avgPool2d = (name: string, x: Value, attributes: PoolAttributes & { countIncludePad?: boolean }): Value =>
    this.node('avgPool2d', name, [x], attributes);
  /** `output` is the height and width of what comes out. */
  adaptiveAvgPool2d = (name: string, x: Value, attributes: { output: number }): Value =>
    this.node('adaptiveAvgPool2d', name, [x], attributes);
  /** PyTorch's alpha, which is divided by `size`: the AlexNet paper's alpha times `size`. */
  localResponseNorm = (name: string, x: Value, attributes: { size: number; alpha?: number; beta?: number; k?: number }): Value =>
    this.node('localResponseNorm', name, [x], attributes);
  dropout = (name: string, x: Value, attributes: { probability?: number } = {}): Value => this.node('dropout', name, [x], attributes);
  softmax = (name: string, x: Value): Value => this.node('softmax', name, [x]);
  add = (name: string, xs: readonly Value[]): Value => this.node('add', name, xs);
  /** Joins along the channels. */
  concat = (name: string, xs: readonly Value[]): Value => this.node('concat', name, xs);
  flatten = (name: string, x: Value): Value => this.node('flatten', name, [x]);
  /** Every `stride`-th row and column, with zeros as further channels: He 2015's shortcut A. */
  padChannels = (name: string, x: Value, attributes: { stride?: number; channels: number }): Value =>
    this.node('padChannels', name, [x], attributes);

  /** Any registered op, also one that has no method here. */
  node(op: string, name: string, inputs: readonly Value[], attributes: object = {}): Value {
    const given = Object.entries(attributes).filter(([, value]) => value !== undefined);
    const node: GraphNode = {
      name,
      op,
      ...(given.length > 0 && { attributes: Object.fromEntries(given) }),
      inputs: inputs.map(value => value.name),
    };
    checkName(node, `graph "${this.name}"`, this.#nodes);
    for (const value of inputs) this.#own(value, nodeLabel(node));
    const { output } = inferNode(
      checkNode(node, this.#nodes),
      inputs.map(value => [1, ...value.shape]),
    );
    this.#nodes.set(name, node);
    return this.#remember({ name, shape: output.slice(1) });
  }

  /** The finished graph, verified; `logits` is [classes] for each image. */
  output(logits: Value): Graph {
    this.#own(logits, `graph "${this.name}"`);
    const graph = this.#graph(logits.name);
    verify(graph);
    return graph;
  }

  #graph(output: string): Graph {
    return { format: 'millrace-graph/1', name: this.name, input: this.size, nodes: [...this.#nodes.values()], output };
  }

  #remember(value: Value): Value {
    this.#values.set(value.name, value);
    return value;
  }

  /** A value of another builder may have the name of one of ours. */
  #own(value: Value, where: string): void {
    if (this.#values.get(value.name) === value) return;
    throw fail(
      'graph',
      where,
      `values of graph "${this.name}"`,
      `"${value.name}" of another graph`,
      'Build every layer with the same builder.',
    );
  }
}
