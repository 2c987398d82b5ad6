import assert from 'node:assert/strict';
import { uniforms } from '../../../core/random.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { type OpProgramOptions, opProgram } from './opProgram.ts';
import { interpret } from './run.ts';

/** Numbers in [-1, 1) that no two tensors of a check share. */
export function noise(length: number, seed: number): Float64Array {
  const next = uniforms(seed);
  return Float64Array.from({ length }, () => 2 * next() - 1);
}

export interface Difference {
  readonly y: ArrayLike<number>;
  readonly outputShape: Shape;
  readonly inputs: readonly ArrayLike<number>[];
  readonly parameters: Readonly<Record<string, ArrayLike<number>>>;
}

/**
 * Holds an op's gradients against central differences of Σ dy·y in every element of every input and parameter, in float64,
 * with every read of every kernel checked to stay inside its array. Gives the forward result, to be compared as well.
 */
export async function checkGradients(
  name: string,
  attributes: Readonly<Record<string, unknown>>,
  shapes: readonly Shape[],
  {
    step = 1e-4,
    tolerance = 1e-7,
    inputs,
    parameters = {},
    ...options
  }: OpProgramOptions & {
    step?: number;
    tolerance?: number;
    inputs?: readonly Float64Array[];
    /** By local name; the others are noise. */
    parameters?: Readonly<Record<string, Float64Array>>;
  } = {},
): Promise<Difference> {
  const whole = opProgram(name, attributes, shapes, options);
  const values: Record<string, Float64Array> = {};
  Object.entries(whole.program.tensors).forEach(([tensor, { kind, shape }], i) => {
    if (kind === 'input' || kind === 'parameter' || kind === 'state') values[tensor] = noise(elements(shape), i + 1);
  });
  whole.inputs.forEach((tensor, i) => {
    if (inputs?.[i]) values[tensor] = inputs[i];
  });
  for (const [local, value] of Object.entries(parameters)) values[whole.parameters[local]] = value;
  const results = await interpret({ strict: true })(whole.program, values);

  const forward = opProgram(name, attributes, shapes, { ...options, backward: false });
  const run = interpret();
  const loss = async () => {
    const y = (await run(forward.program, values))[forward.output];
    return values.dy.reduce((sum, gradient, i) => sum + gradient * y[i], 0);
  };
  const gradients: [string, string][] = [];
  whole.inputs.forEach((tensor, i) => {
    const gradient = whole.inputGradients[i];
    if (gradient) gradients.push([tensor, gradient]);
  });
  for (const [local, tensor] of Object.entries(whole.parameters)) {
    if (whole.parameterGradients[local]) gradients.push([tensor, whole.parameterGradients[local]]);
  }
  for (const [tensor, gradient] of gradients) {
    const value = values[tensor];
    assert.equal(results[gradient].length, value.length, `${gradient} has the shape of ${tensor}`);
    for (let i = 0; i < value.length; i++) {
      const kept = value[i];
      value[i] = kept + step;
      const above = await loss();
      value[i] = kept - step;
      const below = await loss();
      value[i] = kept;
      const expected = (above - below) / (2 * step);
      const got = results[gradient][i];
      assert.ok(
        Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected)),
        `${gradient}[${i}]: ${got}, by differences ${expected}`,
      );
    }
  }
  return {
    y: results[whole.output],
    outputShape: whole.outputShape,
    inputs: whole.inputs.map(tensor => values[tensor]),
    parameters: Object.fromEntries(Object.entries(whole.parameters).map(([local, tensor]) => [local, values[tensor]])),
  };
}

/** Both the same up to float64's rounding. */
export function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-12): void {
  assert.equal(got.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    assert.ok(
      Math.abs(got[i] - expected[i]) <= tolerance * Math.max(1, Math.abs(expected[i])),
      `[${i}]: ${got[i]}, expected ${expected[i]}`,
    );
  }
}
