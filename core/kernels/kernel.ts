import { fail } from '../errors.ts';

/**
 * A kernel is one device program: a plain function that gpu.js compiles for every device, run once per thread.
 *
 * Rules that make one function mean the same everywhere (see `compile.ts`, which teaches gpu.js the last four):
 *  - arrays are flat; index arithmetic is on integers only: thread coordinates, loop counters, `this.constants.*` from
 *    `integers`, integer literals, and `const` locals made of those;
 *  - a loop starts at a literal and ends at an integer constant: `for (let i = 0; i < this.constants.n; i++)`;
 *  - `const i = <integer expression>` stays an exact 32-bit integer (gpu.js alone would make it a float); `let` is always a float;
 *  - `Math.floor(a / b)` of two integers is an exact integer division, and `Math.min(a, b)`, `Math.max(a, b)` of two integers
 *    is an integer, and so is `Math.trunc(x)` of a float, for indices that are data; there is no `%`: write `a - b * Math.floor(a / b)`;
 *  - `Math.pow`, `Math.tanh`, `log1p`, `expm1` and `round` differ between devices: build them from exp, log and floor, clamp
 *    their arguments;
 *  - `Math.fround(x)` is x rounded to 32 bits there and then, to the nearest: no device fuses the product or sum in it with what follows,
 *    and a quotient in it, `Math.fround(a / b)`, is the correctly rounded one (devices may miss that by some units in the last place);
 *    with it around every operation a kernel gives the same bits everywhere. Without it the reference computes in 64 bits;
 *  - a local has a name that no other local has where it is visible, nor an argument;
 *  - no helper functions, no local arrays except the returned `[a, b, c, d]`, no captured variables: constants only;
 *  - in the inner loop, an index that is `<uniform> + this.thread.x` loads four lanes at once on wasm: keep channels on x.
 */
export interface KernelThis {
  thread: { x: number; y: number; z: number };
  constants: Record<string, number>;
}
export type Quad = [number, number, number, number];
export type KernelFunction = (this: KernelThis, ...arrays: Float32Array[]) => number | Quad;

export interface Kernel {
  /** What it computes, unique among kernels: `conv2d.inputGradient`. Shown in tables and traces. */
  readonly name: string;
  readonly run: KernelFunction;
  /** Threads along x, y, z: one output element each, stored row-major with x fastest. x runs over channels where it can. */
  readonly threads: readonly [number, number?, number?];
  /**
   * Set when `run` returns four values: they belong to rows 4y, 4y+1, 4y+2, 4y+3 of a row-major [z, rows, x] output, and
   * `threads` is [x, ceil(rows / 4), z]. Rows from `rows` on do not exist: what was computed for them is not stored
   * (their reads must still stay inside the arrays: clamp them).
   */
  readonly rows?: number;
  readonly integers?: Readonly<Record<string, number>>;
  readonly floats?: Readonly<Record<string, number>>;
  /** Name of the argument that is the output itself: updates in place. Each thread may touch its own element only. */
  readonly inout?: string;
}

/** One run of a kernel on named tensors; `inputs` are in the order of the function's arguments. */
export interface Launch {
  readonly kernel: Kernel;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** What gpu.js is told about a kernel, on every device. */
export function settings(kernel: Kernel): Record<string, unknown> {
  checkConstants(kernel);
  const constants = { ...kernel.integers, ...kernel.floats };
  const constantTypes: Record<string, string> = {};
  for (const name of Object.keys(kernel.integers ?? {})) constantTypes[name] = 'Integer';
  for (const name of Object.keys(kernel.floats ?? {})) constantTypes[name] = 'Float';
  return { output: [...kernel.threads], constants, constantTypes, ...(kernel.rows !== undefined && { returnType: 'Array(4)' }) };
}

/** A fraction among the integers would be cut off in silence, and not everywhere. */
function checkConstants(kernel: Kernel): void {
  const where = `kernel "${kernel.name}"`;
  for (const [name, value] of Object.entries(kernel.integers ?? {})) {
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) continue;
    throw fail('state', where, `constant "${name}" to be a 32-bit integer`, `${value}`, 'Put fractions under floats.');
  }
  for (const [name, value] of Object.entries(kernel.floats ?? {})) {
    if (Number.isFinite(Math.fround(value))) continue;
    throw fail('state', where, `constant "${name}" to be a finite 32-bit float`, `${value}`, 'Check the attribute that it is made from.');
  }
}
