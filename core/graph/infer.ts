import { fail } from '../errors.ts';
import type { ParameterSpec } from '../ops/op.ts';
import { elements, type Shape, text } from '../shape.ts';
import type { Graph } from './graph.ts';
import { type CheckedNode, checkStructure, imageInput } from './structure.ts';

/** A tensor that a node owns, under its checkpoint name. */
export interface GraphParameter extends Omit<ParameterSpec, 'name'> {
  /** torchvision's: `layer1.0.conv1.weight`. */
  readonly name: string;
  /** The node's: `layer1.0.conv1`. */
  readonly node: string;
  /** The op's: `weight`. */
  readonly local: string;
}

export interface InferredNode extends CheckedNode {
  readonly inputShapes: readonly Shape[];
  readonly output: Shape;
  readonly parameters: readonly GraphParameter[];
  /** Multiply-accumulates of the forward pass of the whole batch: convolutions and linear layers only. */
  readonly macs: number;
}

export interface InferredGraph {
  readonly graph: Graph;
  readonly batch: number;
  /** Inputs before those who read them. */
  readonly nodes: readonly InferredNode[];
  /** Parameters and running statistics, node by node: for torchvision's models in the order of their `state_dict`. */
  readonly parameters: readonly GraphParameter[];
  /** Shape of the logits. */
  readonly output: Shape;
}

/** Kernels index with 32-bit integers. */
const mostElements = 2 ** 31 - 1;

/** Checks a graph and works out every shape for `batch` images. Throws a MillraceError of kind 'graph' that names the node. */
export function infer(graph: Graph, batch = 1): InferredGraph {
  if (!Number.isSafeInteger(batch) || batch < 1) {
    throw fail('graph', `graph "${graph.name}"`, 'a batch size of 1 or more', String(batch), 'Pass the number of images of a batch.');
  }
  const shapes = new Map<string, Shape>([[imageInput, [batch, ...graph.input]]]);
  const nodes = checkStructure(graph).map(node => {
    const inferred = inferNode(
      node,
      node.inputs.map(name => shapes.get(name)!),
    );
    shapes.set(node.name, inferred.output);
    return inferred;
  });
  checkParameterNames(nodes);
  return { graph, batch, nodes, parameters: nodes.flatMap(node => node.parameters), output: shapes.get(graph.output)! };
}

/** Shape, parameters and multiply-accumulates of one node. The builder calls it too, as the recipe is written. */
export function inferNode(node: CheckedNode, inputShapes: readonly Shape[]): InferredNode {
  const { op, attributes, where, name } = node;
  const output = op.shape(attributes, inputShapes, where);
  checkSize(where, 'an output', output);
  const parameters = (op.parameters?.(attributes, inputShapes) ?? []).map(spec => {
    checkSize(where, `a "${spec.name}"`, spec.shape);
    return { ...spec, name: `${name}.${spec.name}`, node: name, local: spec.name };
  });
  return { ...node, inputShapes, output, parameters, macs: op.macs?.(attributes, inputShapes, output) ?? 0 };
}

function checkSize(where: string, what: string, shape: Shape): void {
  const count = elements(shape);
  if (count >= 1 && count <= mostElements) return;
  // of an output the first dimension is the batch
  const batch = what === 'an output' ? Math.floor((mostElements * shape[0]!) / count) : 0;
  const fix = batch >= 1 ? `Change the batch size: ${batch} is the largest.` : 'Change the attributes, the image size or the batch size.';
  throw fail('graph', where, `${what} of 1 to ${mostElements} elements`, text(shape), fix);
}

/** Nodes and parameters become tensors of one program: `fc.weight` cannot be a node beside a linear layer `fc`. */
function checkParameterNames(nodes: readonly InferredNode[]): void {
  const owners = new Map(nodes.flatMap(node => node.parameters.map(parameter => [parameter.name, `${parameter.local} of ${node.where}`])));
  for (const { name, where } of nodes) {
    const owner = owners.get(name);
    if (owner) throw fail('graph', where, 'a name of its own', `the name of the ${owner}`, 'Rename the node.');
  }
}
