/**
 * Batch norm's two passes over all elements in WGSL: y from x, with the skip connection and the rectifier in the same pass, and dx
 * from dy.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant } from '../../../kernels/variant.ts';
import { elements } from '../../../shape.ts';
import { channelsOf, pixelsOf } from '../../channelSums.ts';
import type { Fused } from '../../fusion.ts';
import { elementwiseLaunch, inFours, rectified } from './elementwise.ts';

type Attributes = { eps: number } & Fused;

/** x, statistics [3,C] | running mean [C], running variance [C]; weight, bias; the residual if there is one. */
const apply = (name: string, statistics: readonly string[], mean: string, variance: (columns: number) => string): Variant<Attributes> => ({
  name: `${name}/wgsl-fours`,
  device: 'webgpu',
  fuses: ['relu', 'residual'],
  applies: (_, inputs, output, { limits }) => channelsOf(output) % 4 === 0 && inFours(elements(output), inputs.length + 1, limits),
  lower({ attributes: { eps, relu = false, residual = false }, inputs, output, terms: { limits } }) {
    const names = ['x', ...statistics, 'weight', 'bias', ...(residual ? ['residual'] : [])];
    const columns = channelsOf(output.shape) / 4;
    const statements = (array: (name: string) => string) => [
      `let c = i32(u32(at) % ${columns}u);`,
      `let factor = weight[c] / sqrt(${variance(columns)} + ${eps});`,
      `let normal = (${array('x')}[at] - ${mean.replaceAll('COLUMNS', String(columns))}) * factor + bias[c]${residual ? ` + ${array('residual')}[at]` : ''};`,
      `let value = ${relu ? rectified('normal') : 'normal'};`,
    ];
    return [elementwiseLaunch(name, { inputs: names.map((each, i) => ({ name: each, tensor: inputs[i]! })), output, statements }, limits)];
  },
});

export const batchNormWgsl = apply(
  'batchNorm2d',
  ['statistics'],
  'statistics[c] - statistics[c + COLUMNS]',
  columns => `statistics[c + ${2 * columns}]`,
);
export const batchNormEvaluateWgsl = apply('batchNorm2d.evaluate', ['mean', 'variance'], 'mean[c]', () => 'variance[c]');

/** x, dy, statistics [3,C], weight, sums [2,C]; bias with `gate` → dx. */
export const batchNormGradientWgsl: Variant<Attributes> = {
  name: 'batchNorm2d.inputGradient/wgsl-fours',
  device: 'webgpu',
  fuses: ['gate', 'inPlace'],
  applies: (_, inputs, output, { limits }) => channelsOf(output) % 4 === 0 && inFours(elements(output), inputs.length + 1, limits),
  lower({ attributes: { eps, gate = false }, inputs, output, terms: { limits } }) {
    const names = ['x', 'dy', 'statistics', 'weight', 'sums', ...(gate ? ['bias'] : [])];
    const columns = channelsOf(output.shape) / 4;
    const statements = (array: (name: string) => string) => {
      const dy = `${array('dy')}[at]`;
      return [
        `let c = i32(u32(at) % ${columns}u);`,
        `let deviation = sqrt(statistics[c + ${2 * columns}] + ${eps});`,
        `let centred = ${array('x')}[at] - statistics[c] - statistics[c + ${columns}];`,
        `let gradient = ${gate ? `select(vec4<f32>(), ${dy}, centred * (weight[c] / deviation) + bias[c] > vec4<f32>())` : dy};`,
        `let correction = (sums[c] + centred / deviation * sums[c + ${columns}]) / ${pixelsOf(output.shape)}.0;`,
        'let value = weight[c] / deviation * (gradient - correction);',
      ];
    };
    const named = names.map((each, i) => ({ name: each, tensor: inputs[i]! }));
    return [elementwiseLaunch('batchNorm2d.inputGradient', { inputs: named, output, statements }, limits)];
  },
};
