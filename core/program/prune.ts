import type { Program, ProgramNode } from './program.ts';

/**
 * Removes primitives whose output nobody reads, and the tensors that only they wrote. What counts as read: results, updates of
 * parameters, state and optimizer tensors, registered gradients, and inputs of primitives that stay. Order is kept.
 */
export function prune(program: Program): Program {
  const read = new Set(Object.values(program.gradients));
  const kept: ProgramNode[] = [];
  for (const node of program.nodes.toReversed()) {
    const { kind } = program.tensors[node.output];
    const lasts = kind !== 'activation' && kind !== 'gradient';
    if (!lasts && !read.has(node.output)) continue;
    kept.push(node);
    for (const input of node.inputs) read.add(input);
  }
  kept.reverse();
  const written = new Set(kept.map(node => node.output));
  const tensors = Object.entries(program.tensors).filter(
    ([name, { kind }]) => (kind !== 'activation' && kind !== 'gradient') || written.has(name),
  );
  return { ...program, tensors: Object.fromEntries(tensors), nodes: kept };
}
