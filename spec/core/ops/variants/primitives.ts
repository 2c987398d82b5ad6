import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { primitive } from '../../../../core/ops/index.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../../core/program/builder.ts';
import { uniforms } from '../../../../core/random.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { onDevice } from '../run.ts';

/** One call of a primitive. */
export interface PrimitiveCase {
  readonly primitive: string;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly inputs: readonly PrimitiveInput[];
  readonly output: Shape;
}
export interface PrimitiveInput {
  readonly shape: Shape;
  readonly dtype?: 'u8';
  /** Noise in [-1, 1) if absent. */
  readonly values?: ArrayLike<number>;
}

/** Holds variants of the wasm device against the gpu.js kernels that they replace, on one thread and on three. */
export class Agreement {
  readonly #devices: Device[] = [];

  async open(): Promise<void> {
    for (const threads of [1, 3]) this.#devices.push(await openWasm({ threads }));
  }
  async close(): Promise<void> {
    await Promise.all(this.#devices.map(device => device.destroy()));
  }

  /**
   * `tolerance` is relative to the largest expected value; 0 asks for the same numbers, NaN included. Also compares an input that
   * is `written`. Gives the variant's result.
   */
  async check({ primitive: name, attributes, inputs, output }: PrimitiveCase, tolerance = 0, written?: string): Promise<ArrayLike<number>> {
    const builder = new ProgramBuilder();
    const tensors = inputs.map(({ shape, dtype }, i) => builder.declare(`input ${i}`, 'input', shape, { dtype }));
    const { inPlace } = primitive(name);
    const target = inPlace === undefined ? 'output' : tensors[inPlace]!.name;
    if (inPlace === undefined) builder.emit(name, target, output, tensors, attributes);
    else builder.update(name, tensors[inPlace]!, tensors, attributes);
    const program = builder.build();
    const what = `${name} ${JSON.stringify(attributes ?? {})} of ${inputs.map(({ shape }) => `[${shape}]`).join(', ')}`;
    assert.ok(lower(program, 'wasm').nodes[0]!.variant, `${what}: no variant applies`);
    const values: Record<string, ArrayLike<number>> = {};
    inputs.forEach(({ shape, values: given }, i) => {
      values[`input ${i}`] = given ?? Float32Array.from(noise(elements(shape), i + 1));
    });
    let first: ArrayLike<number> | undefined;
    const expected = await onDevice(this.#devices[0]!, { variants: false })(program, values);
    for (const device of this.#devices) {
      const results = await onDevice(device, { variants: true })(program, values);
      const got = results[target]!;
      compare(got, expected[target]!, tolerance, `${what} on ${device.description}`);
      if (written) compare(results[written]!, expected[written]!, 0, `${written} of ${what} on ${device.description}`);
      first ??= got;
      compare(got, first, 0, `${what}: ${device.description} against one thread`);
    }
    return first!;
  }
}

function compare(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(got.length, expected.length, what);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [got[i]!, expected[i]!];
    if (a === b || (Number.isNaN(a) && Number.isNaN(b)) || Math.abs(a - b) <= tolerance * largest) continue;
    assert.fail(`${what}: [${i}] is ${a}, by the kernels ${b} (largest ${largest})`);
  }
}

/** Whole numbers from `least` to `most`, the same ones for the same seed. */
export function integers(seed: number): (least: number, most: number) => number {
  const next = uniforms(seed);
  return (least, most) => least + Math.floor(next() * (most - least + 1));
}

/** Few different values, NaN and infinities among them: ties and whatever a comparison may get wrong. */
export function nasty(length: number, seed: number): Float32Array {
  const pick = integers(seed);
  const values = [-2, -1, -1, 0, 0, 0, 1, 1, 2, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, 1e-40];
  return Float32Array.from({ length }, () => values[pick(0, values.length - 1)]!);
}
