import { differentiate } from '../graph/differentiate.ts';
import type { Graph } from '../graph/graph.ts';
import type { Loss } from '../losses/loss.ts';
import { primitive } from '../ops/index.ts';
import type { Tensor } from '../ops/op.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { fuse } from '../program/fuse.ts';
import { hyperLength, hyperName } from '../program/hyper.ts';
import type { Program, ProgramNode, TensorEntry } from '../program/program.ts';
import { prune } from '../program/prune.ts';

/** One primitive on tensors of certain shapes, as it occurs in a training step: what a kernel is written for. */
export interface Problem {
  readonly primitive: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Pick<Tensor, 'shape' | 'dtype'>[];
  readonly output: Pick<Tensor, 'shape' | 'dtype'>;
  /** Inputs that it writes besides its output, by position. */
  readonly writes: readonly number[];
  /** How many nodes of the step are this problem. */
  readonly uses: number;
  /** The first of them. */
  readonly node: string;
}
export interface ProblemOptions {
  readonly batch: number;
  readonly loss: Loss;
  /** False: without fusion. */
  readonly fuse?: boolean;
}

/** The distinct problems of a graph's forward and backward pass and of its loss, in the order in which they first occur. */
export function trainingProblems(graph: Graph, { batch, loss, fuse: fused = true }: ProblemOptions): Problem[] {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, graph, { batch, mode: 'train', pixels: 'u8' });
  const gradient = builder.declare('logits:gradient', 'gradient', logits.shape);
  backward(gradient);
  const keep = [logits.name, gradient.name];
  const pruned = prune(builder.build(), keep);
  return distinct([fused ? fuse(pruned, keep) : pruned, lossProgram(loss, logits, batch)]);
}

function lossProgram(loss: Loss, { shape }: Tensor, batch: number): Program {
  const builder = new ProgramBuilder();
  const logits = builder.declare('logits', 'activation', shape);
  const targets = builder.declare('targets', 'input', [batch]);
  const hyper = builder.declare(hyperName, 'input', [hyperLength]);
  loss.build(builder, { logits, targets, hyper, train: true });
  return builder.build();
}

/** Equal primitives with equal attributes and shapes count as one. Dropout's key is its node's name and makes no difference. */
export function distinct(programs: readonly Program[]): Problem[] {
  const found = new Map<string, Problem & { uses: number }>();
  for (const { nodes, tensors } of programs) {
    for (const node of nodes) {
      const shaped = (name: string) => ({ shape: tensors[name].shape, dtype: tensors[name].dtype });
      const problem = {
        primitive: node.primitive,
        attributes: node.attributes,
        inputs: node.inputs.map(shaped),
        output: shaped(node.output),
        writes: (node.writes ?? []).map(name => node.inputs.indexOf(name)),
      };
      const key = JSON.stringify({ ...problem, attributes: { ...node.attributes, key: 0 } });
      const known = found.get(key);
      if (known) known.uses++;
      else found.set(key, { ...problem, uses: 1, node: node.node });
    }
  }
  return [...found.values()];
}

/** The problem alone, as a program: inputs `input 0`, `input 1`, … and the result `output`, or the input that it overwrites. */
export function problemProgram({ primitive: name, attributes, inputs, output, writes }: Problem): { program: Program; output: string } {
  const names = inputs.map((_, i) => `input ${i}`);
  const entries: TensorEntry[] = inputs.map((input, i) => ({ ...input, name: names[i], kind: 'input' }));
  const { inPlace } = primitive(name);
  const result = inPlace === undefined ? 'output' : names[inPlace];
  if (inPlace === undefined) entries.push({ ...output, name: result, kind: 'result' });
  const node: ProgramNode = {
    node: 'problem',
    primitive: name,
    attributes,
    inputs: names,
    output: result,
    segment: 'forward',
    ...(writes.length > 0 && { writes: writes.map(i => names[i]) }),
  };
  const tensors = Object.fromEntries(entries.map(entry => [entry.name, entry]));
  return { program: { tensors, nodes: [node], gradients: {} }, output: result };
}
