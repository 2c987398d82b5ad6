/** The gradient of 1 × 1 filters by Strassen's method on wasm (`core/assembly/strassenFilters.ts`): see `strassen.ts`. */
import type { Variant } from '../../kernels/variant.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import { align, COLUMNS, part } from './convWasm.ts';
import { strassenApplies } from './strassen.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/**
 * Rows and panels of a unit, of half the channels and filters: where they are all, what is gathered next is contiguous, and read
 * ahead. Both, of a chunk of pixels, must fit into L2 seven times beside the next pixels.
 */
const ROWS = 256;
const PANELS = 32;
/** Pairs of pixels gathered at a time. */
const CHUNK = 40;
/** Units that keep many threads busy to the end, if there are pixels enough; and in any case. */
const UNITS = 16;
const FEWEST = 8;
/** Pixels that are worth a part of their own, whose sums go through memory once more. */
const PART = 384;

export const strassenFilterGradient: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-strassen',
  device: 'wasm',
  applies: (attributes, [, dy], weight, terms) => strassenApplies(attributes, weight, dy!, [weight[2]!, weight[3]!], terms),
  lower({ attributes: { stride }, inputs: [x, dy], output, scratch }) {
    const [N, H, W, C] = four(x!.shape);
    const [, P, Q, O] = four(dy!.shape);
    const pixels = N * P * Q;
    const height = C / 2;
    const allPanels = O / (2 * COLUMNS);
    let rows = part(height, ROWS, 6);
    let panels = part(allPanels, PANELS);
    const products = () => Math.ceil(height / rows) * Math.ceil(allPanels / panels);
    const parts = Math.max(1, Math.min(Math.ceil(UNITS / products()), Math.floor(pixels / PART)));
    while (products() * parts < FEWEST && panels > 16) panels = part(allPanels, panels - 1);
    while (products() * parts < FEWEST && rows > 96) rows = part(height, rows - 6, 6);
    const chunk = part(Math.ceil(Math.ceil(pixels / parts) / 2), CHUNK);
    const sums = scratch([parts, 7, height, O / 2]);
    const most = Math.max(C, O);
    return [
      wasmLaunch('conv2d.filterGradient.strassen', {
        routine: 'multiplySevenFilters',
        units: products() * parts,
        scratch:
          64 + align(most * 4 + 64) + align(O * 2) + 7 * (1152 + align(chunk * (rows + 16) * 4 + 64) + align(panels * chunk * 32)) + 320,
        inputs: [x!, dy!],
        output: sums,
        arguments: ([xAt, dyAt], to) => [xAt!, dyAt!, to, N, H, W, C, P, Q, O, stride, chunk, rows, panels, parts],
      }),
      wasmLaunch('conv2d.filterGradient.strassen.join', {
        routine: 'joinSevenFilters',
        units: height,
        inputs: [sums],
        output,
        arguments: ([from], to) => [from!, to, C, O, parts],
      }),
    ];
  },
};
