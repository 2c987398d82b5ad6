import { text } from '../shape.ts';
import type { Program } from './program.ts';

const columns = ['segment', 'node', 'primitive', 'inputs', 'output', 'shape'] as const;
export type ProgramRow = Readonly<Record<(typeof columns)[number], string>>;

/** One row a primitive, in the order in which they run. */
export function programRows(program: Program): readonly ProgramRow[] {
  return program.nodes.map(({ segment, node, primitive, inputs, output }) => ({
    segment,
    node,
    primitive,
    inputs: inputs.join(' '),
    output,
    shape: text(program.tensors[output].shape),
  }));
}

/** The rows as aligned text with a header, for people and for comparing two programs by diff. */
export function programTable(program: Program): string {
  const header = Object.fromEntries(columns.map(column => [column, column])) as ProgramRow;
  const rows = [header, ...programRows(program)];
  const widths = columns.map(column => Math.max(...rows.map(row => row[column].length)));
  const line = (row: ProgramRow) =>
    columns
      .map((column, i) => row[column].padEnd(widths[i]))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
