import { primitive } from '../ops/index.ts';
import type { Program, ProgramNode } from '../program/program.ts';
import { same } from '../shape.ts';

/**
 * Lets element-wise primitives (`Primitive.overwrites`) write over an input that nothing reads afterwards: the output takes its name
 * and its memory, and attribute `inPlace` says which input it is. A pure function.
 *
 * @param temporary whether a tensor lives for part of a pass only, and nobody outside the program knows it
 */
export function inPlace(program: Program, temporary: (name: string) => boolean): Program {
  const { tensors } = program;
  /** Where each tensor is read for the last time. */
  const lastRead = new Map<string, number>();
  for (const [i, { inputs }] of program.nodes.entries()) for (const name of inputs) lastRead.set(name, i);
  const written = new Map<string, number>();
  for (const { output } of program.nodes) written.set(output, (written.get(output) ?? 0) + 1);
  /** Output → the tensor whose memory it took. */
  const merged = new Map<string, string>();
  const nodes: ProgramNode[] = [];
  for (const [i, given] of program.nodes.entries()) {
    const now = (name: string) => merged.get(name) ?? name;
    const inputs = given.inputs.map(now);
    const node = { ...given, inputs, output: now(given.output), ...(given.writes && { writes: given.writes.map(now) }) };
    const { overwrites = [] } = primitive(node.primitive);
    const { output } = given;
    const index = overwrites.find(
      each =>
        node.attributes.inPlace === undefined &&
        temporary(given.inputs[each]) &&
        temporary(output) &&
        written.get(output) === 1 &&
        lastRead.get(inputs[each]) === i &&
        inputs.filter(name => name === inputs[each]).length === 1 &&
        tensors[inputs[each]].dtype === tensors[output].dtype &&
        same(tensors[inputs[each]].shape, tensors[output].shape),
    );
    if (index === undefined) {
      nodes.push(node);
      continue;
    }
    const target = inputs[index];
    merged.set(output, target);
    lastRead.set(target, Math.max(i, lastRead.get(output) ?? i));
    nodes.push({ ...node, output: target, attributes: { ...node.attributes, inPlace: index } });
  }
  if (merged.size === 0) return program;
  return { ...program, nodes, tensors: Object.fromEntries(Object.entries(tensors).filter(([name]) => !merged.has(name))) };
}
