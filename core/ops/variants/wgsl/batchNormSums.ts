/**
 * The reductions of batch norm in WGSL, each in one pass over its activations.
 *
 * Statistics: a thread adds up distances from its own first pixel and their squares, which loses no digits however large the mean
 * is; threads and chunks merge count, mean and second moment (Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise
 * algorithm for computing sample variances"). Means are kept as distances from the channel's first value, the shift.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant } from '../../../kernels/variant.ts';
import type { Fused } from '../../fusion.ts';
import { columnsOf, type Reduction, reducible, reductionLaunches, sums } from './columns.ts';

/** x → [3,C]: shift, mean - shift, biased variance. */
export const statisticsWgsl: Variant<unknown> = {
  name: 'batchNorm2d.statistics/wgsl-columns',
  device: 'webgpu',
  applies: (_, [x], __, { limits }) => reducible(x!, 2, 3, limits),
  lower({ inputs: [x], output, terms: { limits }, scratch }) {
    const { T, columns, length, pixels, threads, width } = columnsOf(x!.shape, limits);
    const reduction: Reduction = {
      state: ['count', 'mean', 'moment'],
      kept: ['mean', 'moment'],
      begin: [`let own = x[min(first + row, ${pixels - 1}) * ${columns} + c];`, `var sum = ${T}();`, `var squares = ${T}();`],
      add: ['let distance = x[at] - own;', 'sum += distance;', 'squares += distance * distance;'],
      end: [
        `var count = ${T}(f32(max(0, (last - first - row + ${threads / width - 1}) / ${threads / width})));`,
        `let offset = sum / max(count, ${T}(1.0));`,
        'var mean = own - x[c] + offset;',
        'var moment = squares - sum * offset;',
      ],
      merge: [
        'let both = count + other_count;',
        `let part = other_count / max(both, ${T}(1.0));`,
        'let apart = other_mean - mean;',
        'mean += apart * part;',
        'moment += other_moment + apart * apart * count * part;',
        'count = both;',
      ],
      recall: [`let other_count = ${T}(f32(min(${length}, ${pixels} - chunk * ${length})));`],
      rows: ['x[c]', 'mean', `moment / ${pixels}.0`],
    };
    const array = { name: 'x', tensor: x! };
    return reductionLaunches('batchNorm2d.statistics', reduction, { inputs: [array], finals: [array], output, scratch }, limits);
  },
};

/** x, dy, statistics [3,C]; then weight and bias with `gate`; y with `mask`, and the other gradient with `sum` → [2,C]: Σ dy, dweight. */
export const gradientSumsWgsl: Variant<{ eps: number } & Fused> = {
  name: 'batchNorm2d.gradientSums/wgsl-columns',
  device: 'webgpu',
  fuses: ['gate', 'mask', 'sum'],
  applies: (_, inputs, __, { limits }) => reducible(inputs[0]!, inputs.length + 1, 2, limits),
  lower({ attributes, inputs: [x, dy, statistics, ...more], output, terms: { limits }, scratch }) {
    const { eps, gate = false, mask = false, sum = false } = attributes;
    const { T, columns } = columnsOf(x!.shape, limits);
    const deviation = `sqrt(statistics[c + ${2 * columns}] + ${eps})`;
    const positive = gate ? `centred * factor + bias[c] > ${T}()` : `y[at] > ${T}()`;
    // threads past the last column go over it once more: what they store must not be added to again
    const store = `if (column < ${columns}) { dy[at] = gradient; }`;
    const given = sum ? 'dy[at] + other[at]' : 'dy[at]';
    const gradient = gate || mask ? `select(${T}(), ${given}, ${positive})` : given;
    const reduction: Reduction = {
      ...sums(
        [
          { name: 'total', term: 'gradient' },
          { name: 'products', term: 'gradient * centred' },
        ],
        ['let centred = x[at] - shift - offset;', `let gradient = ${gradient};`, ...(mask ? [store] : [])],
      ),
      begin: [
        'let shift = statistics[c];',
        `let offset = statistics[c + ${columns}];`,
        ...(gate ? [`let factor = weight[c] / ${deviation};`] : []),
        `var total = ${T}();`,
        `var products = ${T}();`,
      ],
      rows: ['total', `products / ${deviation}`],
    };
    const names = gate ? ['weight', 'bias'] : mask ? ['y', ...(sum ? ['other'] : [])] : [];
    const inputs = [
      { name: 'x', tensor: x! },
      { name: 'dy', tensor: dy!, writes: mask },
      { name: 'statistics', tensor: statistics! },
      ...names.map((name, i) => ({ name, tensor: more[i]! })),
    ];
    const finals = [{ name: 'statistics', tensor: statistics! }];
    return reductionLaunches('batchNorm2d.gradientSums', reduction, { inputs, finals, output, scratch }, limits);
  },
};
