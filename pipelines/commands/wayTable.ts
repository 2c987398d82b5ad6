import type { Shape } from '../../core/index.ts';
import { type Column, columns } from '../terminal/columns.ts';
import { figure } from '../terminal/format.ts';

/** One way to compute one problem: a variant or the op's gpu.js kernels, timed. */
export interface WayRow {
  readonly primitive: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  /** Nodes of the models that are this problem. */
  readonly uses: number;
  /** The first of them. */
  readonly node: string;
  /** Null: gpu.js kernels. */
  readonly variant: string | null;
  /** Whether a plan takes this way. */
  readonly chosen: boolean;
  readonly flops: number;
  readonly bytes: number;
  readonly runs: number;
  /** Median; null where it was left out. */
  readonly ms: number | null;
  readonly gflops: number | null;
  readonly gb_per_s: number | null;
  readonly of_limit: number | null;
  /** Times as fast as the gpu.js kernels; null where these were left out. */
  readonly speedup: number | null;
}

/** A problem's shapes in short: image and filter of a product, with its stride; else the first input, and the output if it differs. */
export function problemText({
  primitive,
  attributes,
  inputs,
  output,
}: Pick<WayRow, 'primitive' | 'attributes' | 'inputs' | 'output'>): string {
  const text = (shape: Shape) => shape.join('×');
  const stride = Number(attributes.stride ?? 1) > 1 ? ` /${attributes.stride}` : '';
  const [op, pass] = primitive.split('.');
  if ((op === 'conv2d' || op === 'linear') && pass !== 'biasGradient') {
    const [image, filter] = pass === 'inputGradient' ? [output, inputs[1]] : pass === 'filterGradient' ? [inputs[0], output] : inputs;
    return `${text(image)} · ${text(filter)}${stride}`;
  }
  const same = text(inputs[0]) === text(output);
  return `${text(inputs[0])}${same ? '' : ` → ${text(output)}`}`;
}

/** Fused attributes by name, as the plan's table has them: `conv2d +relu`. */
export function title({ primitive, attributes }: Pick<WayRow, 'primitive' | 'attributes'>): string {
  const fused = Object.entries(attributes).filter(([name, value]) => value === true && ['relu', 'residual', 'gate', 'mask'].includes(name));
  return primitive + fused.map(([name]) => ` +${name}`).join('');
}

const head: readonly Column[] = [
  { title: 'op', least: 20 },
  { title: 'shapes', least: 24 },
  { title: 'variant', least: 12 },
  { title: 'ms', right: true },
  { title: ': gpu.js', right: true },
  { title: 'GFLOP/s', right: true },
  { title: 'GB/s', right: true },
  { title: 'of limit', right: true },
];

/** A line a way, those of one problem together; what a plan takes is marked. */
export function wayTable(rows: readonly WayRow[], width: number): string {
  let before = '';
  const lines = rows.map(row => {
    const { variant, chosen, ms, gflops, gb_per_s, of_limit, speedup, flops } = row;
    const own = [title(row), `${problemText(row)}${row.uses > 1 ? `  (${row.uses})` : ''}`];
    const again = own.join() === before;
    before = own.join();
    const rate = (value: number | null) => (value === null ? '' : value >= 100 ? figure(Math.round(value)) : value.toFixed(1));
    return [
      ...(again ? ['', ''] : own),
      `${chosen ? '› ' : '  '}${variant?.split('/').at(-1) ?? 'gpu.js'}`,
      ms === null ? 'left out' : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3),
      speedup === null || variant === null ? '' : `${figure(Number(speedup.toPrecision(2)))} ×`,
      flops > 0 ? rate(gflops) : '',
      rate(gb_per_s),
      of_limit === null ? '' : `${Math.round(100 * of_limit)} %`,
    ];
  });
  return columns(head, lines, width);
}
