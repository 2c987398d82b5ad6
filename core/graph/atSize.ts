import { fail } from '../errors.ts';
import { text } from '../shape.ts';
import type { Graph } from './graph.ts';
import { infer } from './infer.ts';

/**
 * The same model for images of another size, with the same weights: convolutions go over as many places as there are, and
 * adaptive pooling makes one of them. Throws a MillraceError of kind 'graph' where a weight's shape depends on the size.
 */
export function atSize(graph: Graph, height: number, width: number): Graph {
  const [ownHeight, ownWidth, channels] = graph.input;
  if (height === ownHeight && width === ownWidth) return graph;
  const resized: Graph = { ...graph, input: [height, width, channels] };
  const where = `model "${graph.name}" for images of ${height} × ${width}`;
  const fix = 'Only models that pool adaptively before their linear layers take any size; evaluate this one with crops.';
  const own = infer(graph).parameters;
  for (const [i, { name, shape }] of infer(resized).parameters.entries()) {
    const before = own[i].shape;
    if (text(shape) !== text(before)) throw fail('graph', where, `${name} of ${text(before)}, as for its own size`, text(shape), fix);
  }
  return resized;
}
