/**
 * dbias[c] = Σ dy[…, c] in WGSL. Fused with a rectifier's gradient it first sets dy to 0 where y is not above 0, in the same pass.
 *
 * Measured: on no GPU yet. On a software renderer it only shows that it is right.
 */
import type { Variant } from '../../../kernels/variant.ts';
import type { Fused } from '../../fusion.ts';
import { columnsOf, reducible, reductionLaunches, sums } from './columns.ts';

/** dy [...,C] → [C]; y after dy with `mask`. `name` is the primitive's. */
export const channelSumsWgsl = (name: string): Variant<Fused> => ({
  name: `${name}/wgsl-columns`,
  device: 'webgpu',
  fuses: ['mask'],
  applies: (_, [dy], __, { limits }) => reducible(dy!, 3, 1, limits),
  lower({ attributes: { mask = false }, inputs: [dy, y], output, terms: { limits }, scratch }) {
    const { T } = columnsOf(dy!.shape, limits);
    const gate = [`let gradient = select(${T}(), dy[at], y[at] > ${T}());`, 'dy[at] = gradient;'];
    const reduction = {
      ...sums([{ name: 'total', term: mask ? 'gradient' : 'dy[at]' }], mask ? gate : []),
      begin: [`var total = ${T}();`],
      rows: ['total'],
    };
    const inputs = [{ name: 'dy', tensor: dy!, writes: mask }, ...(mask ? [{ name: 'y', tensor: y! }] : [])];
    return reductionLaunches(name, reduction, { inputs, finals: [], output, scratch }, limits);
  },
});
