/**
 * The gradient of a convolution's filters in WebAssembly: see `core/assembly/convFilters.ts`. Any shape.
 *
 * Measured as in `convWasm.ts`: 88 to 110 GFLOP/s with two threads, the lowest where few channels meet many pixels (1×1 on
 * 56 × 56, the 7 × 7 stem): there the images' way through the caches takes a tenth of the time.
 */
import type { Variant, VariantLaunch, WasmRoutine } from '../../kernels/variant.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import { align, COLUMNS, joins, padImages, part } from './convWasm.ts';

/** Rows and panels of a unit: the larger, the less is gathered per product; both and a chunk of pixels must fit into L2. */
const ROWS = 192;
const PANELS = 32;
/** Pixels gathered at a time. */
const CHUNK = 128;
/** Units that keep many threads busy to the end. */
const UNITS = 48;
/** Pixels that are worth a part of their own, whose sums go through memory once more. */
const PART = 384;

export const filterGradientWasm: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-gemm',
  device: 'wasm',
  applies: () => true,
  lower({ attributes, inputs: [image, dy], output, scratch }) {
    const { stride, padding: given, dilation, groups } = attributes;
    const [R, S, each, O] = four(output.shape);
    const [, , , C] = four(image!.shape);
    const [, P, Q] = four(dy!.shape);
    const launches: VariantLaunch[] = [];
    let [x, kernel, channels, padding] = [image!, [R, S], each, given];
    if (joins(C, S, attributes)) {
      [kernel, channels, padding] = [[R, 1], S * C, 0];
      if (given > 0) {
        const [N, H, W] = four(x.shape);
        x = scratch([N, H + 2 * given, W + 2 * given, C]);
        launches.push(padImages('conv2d.pad', image!, x, given));
      }
    }
    const [N, H, W] = four(x.shape);
    const pixels = N * P * Q;
    const filters = O / groups;
    const height = R * S * each;
    const allPanels = Math.ceil(filters / COLUMNS);
    const rows = part(height, ROWS, 6);
    const panels = part(allPanels, PANELS);
    const products = groups * Math.ceil(height / rows) * Math.ceil(allPanels / panels);
    const parts = Math.max(1, Math.min(Math.ceil(UNITS / products), Math.floor(pixels / PART)));
    const chunk = part(Math.ceil(pixels / parts), CHUNK);

    // sums of several parts, or of panels that are not whole, need a place of their own
    const direct = parts === 1 && filters % COLUMNS === 0;
    const width = direct ? O : allPanels * COLUMNS;
    const next = direct ? filters : parts * height * width;
    const sums = direct ? output : scratch([groups, parts, height, width]);
    const bytes = {
      nowhere: allPanels * 32,
      list: (Math.floor(rows / channels) + 2) * 16,
      merged: (Math.floor(rows / channels) + 2) * 16,
      windows: chunk * (rows + 16) * 4 + 64,
      gathered: panels * chunk * 32,
    };
    const body: WasmRoutine = {
      language: 'wasm',
      routine: 'convolveFilters',
      units: products * parts,
      scratch: 64 + Object.values(bytes).reduce((sum, size) => sum + align(size), 0),
      arguments: ({ inputs: [xAt, dyAt], output: to }) => [
        ...[xAt!, dyAt!, to, N, H, W, C, P, Q, O, groups, channels, filters, ...kernel, padding, dilation, stride],
        ...[chunk, rows, panels, parts, width, next],
      ],
    };
    launches.push({ kernel: { name: 'conv2d.filterGradient' }, inputs: [x.name, dy!.name], output: sums.name, body });
    if (!direct) {
      const sum: WasmRoutine = {
        language: 'wasm',
        routine: 'sumFilters',
        units: height,
        arguments: ({ inputs: [from], output: to }) => [from!, to, groups, parts, height, filters, width],
      };
      launches.push({ kernel: { name: 'conv2d.sumFilters' }, inputs: [sums.name], output: output.name, body: sum });
    }
    return launches;
  },
};
