/** How a workgroup's threads share the work of bringing both operands' tiles into workgroup memory. */
import { type Operand, range } from './operand.ts';

/** The WGSL of one stage; `start` is the k of the tiles to be loaded, `buffer` the first vec4 of their half of the memory. */
export interface Staging {
  /** Before the loop over k: which blocks this thread loads, and the registers that hold them. */
  readonly prepare: readonly string[];
  readonly fetch: (start: string) => string[];
  readonly store: (bufferA: string, bufferB: string) => string[];
}

/** One block of 4 × 4 that a thread loads per tile; `${name}quad` and `${name}depth` say which, in fours and in ones. */
export interface Slot {
  readonly name: string;
  readonly operand: Operand;
  /** Registers. */
  readonly into: readonly string[];
  /** Which threads load it, if not all do. */
  readonly condition: string | undefined;
}

/**
 * Eight neighbouring threads take neighbouring blocks, so that they store eight neighbouring vec4s (no two in one bank), and
 * the next eight the next four k, so that together they read whole sectors of a row. With as many threads as blocks, the
 * first threads load A and the others B, into the same registers.
 */
export function staging(
  tile: { readonly m: number; readonly n: number; readonly k: number; readonly threads: number },
  a: Operand,
  b: Operand,
  /** Statements that store a block from its registers to workgroup memory. */
  stored: (slot: Slot, buffer: string) => string[],
): Staging {
  const { threads } = tile;
  const blocks = { a: (tile.m / 4) * (tile.k / 4), b: (tile.n / 4) * (tile.k / 4) };
  const split = blocks.a + blocks.b === threads;
  const slots: Slot[] = [];
  const prepare: string[] = [];
  for (const operand of [a, b]) {
    const isA = operand === a;
    const count = isA ? blocks.a : blocks.b;
    const first = isA ? 'firstRow' : 'firstColumn';
    for (const i of range(Math.max(1, count / threads))) {
      const name = `${operand.array}${i}_`;
      const into = range(4).map(r => (split ? `next${r}` : `${name}next${r}`));
      // A is loaded by the first threads and B by the last
      const partial = isA ? `lane < ${count}` : `lane >= ${threads - count}`;
      const block = count < threads ? `index % ${count}u` : `index + ${i * threads}u`;
      prepare.push(
        `let ${name}block = ${block};`,
        `let ${name}quad = i32(${name}block % 8 + ${name}block / ${2 * tile.k} * 8);`,
        `let ${name}depth = i32(${name}block / 8 % ${tile.k / 4}) * 4;`,
        ...operand.prepare(name, `(${first} + ${name}quad * 4)`),
      );
      if (!split || isA) prepare.push(...into.map(register => `var ${register} = vec4<f32>();`));
      slots.push({
        name,
        operand,
        into,
        condition: count < threads ? partial : undefined,
      });
    }
  }
  const each = (statements: (slot: Slot) => string[]) =>
    slots.flatMap(slot => [`${slot.condition ? `if (${slot.condition}) ` : ''}{`, ...statements(slot).map(line => `  ${line}`), '}']);
  return {
    prepare,
    fetch: start =>
      each(({ name, operand, into }) => [
        ...into.map(register => `${register} = vec4<f32>();`),
        ...operand.fetch(name, start, `${name}depth`, tile.k, into),
      ]),
    store: (bufferA, bufferB) => each(slot => stored(slot, slot.operand === a ? bufferA : bufferB)),
  };
}
