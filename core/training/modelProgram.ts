import { differentiate } from '../graph/differentiate.ts';
import type { Graph } from '../graph/graph.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { fuse } from '../program/fuse.ts';
import type { Program } from '../program/program.ts';
import { prune } from '../program/prune.ts';
import type { CompileOptions, Mode } from './compileOptions.ts';

/** The tensor in which a loss leaves the gradient of the logits. */
export const lossGradient = 'logits:gradient';

export interface ModelProgram {
  readonly program: Program;
  /** Tensors that others use too: logits, the loss's gradient, the parameters' gradients. */
  readonly keep: readonly string[];
  readonly logits: string;
}

/** What a graph computes in one pass of `batch` images, without a device: forward, and in training backward from the logits' gradient. */
export function modelProgram(
  graph: Graph,
  batch: number,
  mode: Mode,
  { frozen, fuse: fusing }: Pick<CompileOptions, 'frozen' | 'fuse'>,
): ModelProgram {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, graph, { batch, mode, pixels: 'u8', frozen });
  const keep = [logits.name];
  if (mode === 'train') {
    const gradient = builder.declare(lossGradient, 'gradient', logits.shape);
    keep.push(gradient.name);
    backward(gradient);
  }
  const pruned = prune(builder.build(), keep);
  const program = fusing === false ? pruned : fuse(pruned, keep);
  return { program, keep: [...keep, ...Object.values(program.gradients)], logits: logits.name };
}
