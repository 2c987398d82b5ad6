import type { Program, ProgramNode, TensorEntry } from './program.ts';

/**
 * Removes primitives whose output nobody reads, and the tensors that only they touched. What counts as read: results, updates
 * of parameters, state and optimizer tensors, registered gradients, what `keep` names, and inputs of primitives that stay.
 * The order of what stays is the same.
 */
export function prune(program: Program, keep: readonly string[] = []): Program {
  const used = new Set([...Object.values(program.gradients), ...keep]);
  const kept: ProgramNode[] = [];
  for (const node of program.nodes.toReversed()) {
    if (!lasting(program.tensors[node.output]) && !used.has(node.output) && !node.writes?.some(name => used.has(name))) continue;
    kept.push(node);
    for (const input of node.inputs) used.add(input);
  }
  const tensors = Object.entries(program.tensors).filter(([name, tensor]) => lasting(tensor) || used.has(name));
  return { ...program, tensors: Object.fromEntries(tensors), nodes: kept.reverse() };
}

const lasting = ({ kind }: TensorEntry): boolean => kind !== 'activation' && kind !== 'gradient';
