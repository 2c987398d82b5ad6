import { op } from '../../../core/ops/index.ts';
import type { Tensor } from '../../../core/ops/op.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import type { Program } from '../../../core/program/program.ts';
import type { Shape } from '../../../core/shape.ts';

/** A program of one op: its forward pass and, if it trains, its backward pass from a gradient named `dy`. */
export interface OpProgram {
  readonly program: Program;
  /** Names of the input tensors, in the op's order. */
  readonly inputs: readonly string[];
  /** Local name → tensor name, parameters and state: `weight` → `layer.weight`. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly output: string;
  readonly outputShape: Shape;
  /** Tensor names of the gradients. */
  readonly inputGradients: readonly (string | undefined)[];
  readonly parameterGradients: Readonly<Record<string, string>>;
}

export interface OpProgramOptions {
  readonly mode?: 'train' | 'evaluate';
  /** Whether the backward pass is written; only an op with a gradient has one. */
  readonly backward?: boolean;
  readonly needs?: readonly boolean[];
}

/** The op as a graph with the single node `layer` would use it. Attributes go through its schema. */
export function opProgram(
  name: string,
  attributes: Readonly<Record<string, unknown>>,
  shapes: readonly Shape[],
  { mode = 'train', backward = true, needs }: OpProgramOptions = {},
): OpProgram {
  const definition = op(name);
  const parsed = definition.attributes.parse(attributes);
  const builder = new ProgramBuilder();
  builder.node = 'layer';
  const inputs = shapes.map((shape, i) => builder.declare(`input ${i}`, 'input', shape));
  const parameters: Record<string, Tensor> = {};
  for (const spec of definition.parameters?.(parsed, shapes) ?? []) {
    parameters[spec.name] = builder.declare(`layer.${spec.name}`, spec.role, spec.shape, { layout: spec.layout, init: spec.init });
  }
  const context = { name: 'layer', attributes: parsed, inputs, parameters, mode };
  const { output, saved = {} } = definition.forward(builder, context);
  let gradients: { inputs: readonly (Tensor | undefined)[]; parameters: Readonly<Record<string, Tensor>> } = { inputs: [], parameters: {} };
  if (backward && definition.gradient !== 'none') {
    builder.segment = 'backward';
    const outputGradient = builder.declare('dy', 'input', output.shape);
    gradients = definition.gradient(builder, { ...context, output, saved, outputGradient, needs: needs ?? shapes.map(() => true) });
  }
  const names = (tensors: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(tensors).map(([key, { name: at }]) => [key, at]));
  return {
    program: builder.build(),
    inputs: inputs.map(tensor => tensor.name),
    parameters: names(parameters),
    output: output.name,
    outputShape: output.shape,
    inputGradients: gradients.inputs.map(tensor => tensor?.name),
    parameterGradients: names(gradients.parameters),
  };
}
