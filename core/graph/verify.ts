import { fail } from '../errors.ts';
import { text } from '../shape.ts';
import type { Graph } from './graph.ts';
import { type InferredGraph, infer } from './infer.ts';

/**
 * Checks that a graph is a classifier: everything of `infer`, and logits of shape [N, classes] with at least one trained
 * parameter. Returns the graph with its shapes for one image. Throws a MillraceError of kind 'graph'.
 */
export function verify(graph: Graph, { classes }: { classes?: number } = {}): InferredGraph {
  const inferred = infer(graph);
  const { output } = inferred;
  const where = `output "${graph.output}" of graph "${graph.name}"`;
  if (output.length !== 2) {
    throw fail(
      'graph',
      where,
      'logits of shape [N,classes]',
      text(output),
      'End the graph with flatten and linear, or set output to the node that gives the logits.',
    );
  }
  if (classes !== undefined && output[1] !== classes) {
    throw fail(
      'graph',
      where,
      `${classes} classes`,
      `${output[1]} (${text(output)})`,
      `Set features of the last linear node to ${classes}.`,
    );
  }
  if (!inferred.parameters.some(parameter => parameter.role === 'parameter')) {
    throw fail('graph', `graph "${graph.name}"`, 'something to train', 'no node with parameters', 'Add a linear or a conv2d node.');
  }
  return inferred;
}
