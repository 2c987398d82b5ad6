/**
 * The gradient of 1 × 1 filters by Strassen's method on wasm (`core/assembly/strassenFilters.ts`): see `strassen.ts`. What is summed
 * over are pixels, of which there are many; so it pays from fewer channels and filters on than in the other two directions.
 */
import type { Variant } from '../../kernels/variant.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import { align, COLUMNS, part } from './convWasm.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Fewer channels, filters or pixels do not pay for the sums. */
const FEW = { channels: 64, pixels: 96 } as const;
/** Rows and panels of a unit, of half the channels and half the filters. */
const ROWS = 256;
const PANELS = 32;
/** Pairs of pixels gathered at a time, at most, and bytes that their operands may take: they come from L2, beside the sums' tiles. */
const CHUNK = 64;
const OPERANDS = 480 * 1024;
/** Units that keep many threads busy to the end, if there are pixels enough; and in any case. */
const UNITS = 16;
const FEWEST = 8;
/** Pixels that are worth a part of their own, whose gradient goes through memory once more; and those that will do for the fewest units. */
const PART = 768;
const LEAST = 384;

export const strassenFilterGradient: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-strassen',
  device: 'wasm',
  applies: ({ groups, padding }, [, dy], weight, { exact }) => {
    const [R, S, C, O] = four(weight);
    const [N, P, Q] = four(dy!);
    if (exact || R !== 1 || S !== 1 || groups !== 1 || padding !== 0 || C % 16 !== 0 || O % 16 !== 0) return false;
    return Math.min(C, O) >= FEW.channels && N * P * Q >= FEW.pixels;
  },
  lower({ attributes: { stride }, inputs: [x, dy], output, scratch }) {
    const [N, H, W, C] = four(x!.shape);
    const [, P, Q, O] = four(dy!.shape);
    const pixels = N * P * Q;
    const height = C / 2;
    const allPanels = O / (2 * COLUMNS);
    let rows = part(height, ROWS, 6);
    let panels = part(allPanels, PANELS);
    const products = () => Math.ceil(height / rows) * Math.ceil(allPanels / panels);
    const partsFor = (units: number, least: number) => Math.max(1, Math.min(Math.ceil(units / products()), Math.floor(pixels / least)));
    const parts = Math.max(partsFor(UNITS, PART), partsFor(FEWEST, LEAST));
    while (products() * parts < FEWEST && panels > 16) panels = part(allPanels, panels - 1);
    while (products() * parts < FEWEST && rows > 96) rows = part(height, rows - 6, 6);
    const most = Math.min(CHUNK, Math.floor(OPERANDS / (28 * (rows + 16 + panels * COLUMNS))));
    const chunk = part(Math.ceil(Math.ceil(pixels / parts) / 2), most);
    const gradients = parts > 1 ? scratch([parts, C, O]) : output;
    const bytes = {
      zeros: Math.max(C, O) * 4 + 64,
      windows: 7 * (align(chunk * (rows + 16) * 4 + 64) + 576),
      gathered: 7 * (align(panels * chunk * 32) + 576),
      tiles: 7 * Math.ceil(rows / 6) * panels * 192,
    };
    const launches = [
      wasmLaunch('conv2d.filterGradient.strassen', {
        routine: 'multiplySevenFilters',
        units: products() * parts,
        scratch: 64 + 4 * 192 + Object.values(bytes).reduce((sum, size) => sum + align(size), 64),
        inputs: [x!, dy!],
        output: gradients,
        arguments: ([xAt, dyAt], to) => [xAt!, dyAt!, to, N, H, W, C, P, Q, O, stride, chunk, rows, panels, parts],
      }),
    ];
    if (parts === 1) return launches;
    return [
      ...launches,
      wasmLaunch('conv2d.filterGradient.strassen.sum', {
        routine: 'sumFilters',
        units: C,
        inputs: [gradients],
        output,
        arguments: ([from], to) => [from!, to, 1, parts, C, O, O],
      }),
    ];
  },
};
