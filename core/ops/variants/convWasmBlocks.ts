/**
 * Strided convolutions with filters of two to four times their stride, such as AlexNet's first (11 × 11, stride 4) and ResNet's
 * (7 × 7, stride 2), as 3 × 3 or 4 × 4 convolutions of stride 1 over blocks of stride × stride pixels, by Winograd's method: the
 * filters are filled up with zeros to whole blocks, a fifth more products for AlexNet's, a third for ResNet's, of which Winograd
 * leaves a quarter.
 *
 * Measured: AlexNet's first layer, 16 images of 224 × 224, forward 10.3 ms instead of 23.8 as an implicit product, on two cores
 * of an AMD EPYC (`npx tsx spec/bench/convs.ts 'alex 11'`). ResNet's, 8 images of 224 × 224, forward 10.6 ms instead of 17.2, its
 * filters' gradient 9.5 instead of 18.0 (`npx tsx spec/bench/convs.ts 7x7`, with and without `--exact`).
 */
import type { Variant, VariantLaunch, VariantTerms, WasmRoutine } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';
import { primitive } from '../registry.ts';

/** Blocks along a side of a filter, as many as there are transforms for. */
const BLOCKS: readonly number[] = [3, 4];
/** Fewer channels, or filters, do not pay for Winograd's transforms. */
const FEW = { channels: 12, filters: 16 } as const;

const place = { stride: 1, padding: 0, dilation: 1, groups: 1 } as const;

/** Whether the filter is as many blocks of stride × stride high as wide, and there are enough channels. */
function fits({ stride, dilation, groups }: WindowPlace, [R, S, C, O]: Shape): boolean {
  const blocks = Math.ceil(R! / stride);
  if (stride === 1 || dilation !== 1 || groups !== 1 || blocks !== Math.ceil(S! / stride) || !BLOCKS.includes(blocks)) return false;
  return stride ** 2 * C! >= FEW.channels && O! >= FEW.filters;
}

/** Shapes of the convolution over blocks. */
function shapes({ stride }: WindowPlace, [R, , C, O]: Shape, [N, P, Q]: Shape) {
  const blocks = Math.ceil(R! / stride);
  const channels = stride ** 2 * C!;
  return {
    images: [N!, P! + blocks - 1, Q! + blocks - 1, channels],
    filters: [blocks, blocks, channels, O!],
    output: [N!, P!, Q!, O!],
  };
}

/** The variant of `name` that multiplies by Winograd's method, if there is one for these shapes. */
function winograd(name: string, inputs: readonly Shape[], output: Shape, terms: VariantTerms): Variant<unknown> | undefined {
  if (terms.exact) return undefined;
  return primitive(name).variants?.find(
    each => each.device === 'wasm' && each.name.includes('winograd') && each.applies(place, inputs, output, terms),
  );
}

/** The images in blocks: those that the windows see. */
function blockImages(x: Tensor, { stride, padding }: WindowPlace, images: Shape, scratch: (shape: Shape) => Tensor) {
  const [, H, W, C] = four(x.shape);
  const [N, height, width] = four(images);
  const blocks = scratch(images);
  const body: WasmRoutine = {
    language: 'wasm',
    routine: 'blockImages',
    units: N * height,
    arguments: ({ inputs: [from], output }) => [from!, output, H, W, C, padding, stride, height, width],
  };
  const launch: VariantLaunch = { kernel: { name: 'conv2d.blocks' }, inputs: [x.name], output: blocks.name, body };
  return { blocks, launch };
}

export const conv2dBlocks: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-winograd-blocks',
  device: 'wasm',
  fuses: ['relu'],
  applies(attributes, [, weight], y, terms) {
    if (!fits(attributes, weight!)) return false;
    const { images, filters, output } = shapes(attributes, weight!, y);
    return winograd('conv2d', [images, filters], output, terms) !== undefined;
  },
  lower({ attributes, inputs: [x, weight, bias], output, scratch, terms }) {
    const [R, S, C, O] = four(weight!.shape);
    const { stride: s, relu } = attributes;
    const of = shapes(attributes, weight!.shape, output.shape);
    const { blocks, launch } = blockImages(x!, attributes, of.images, scratch);
    const filters = scratch(of.filters);
    const body: WasmRoutine = {
      language: 'wasm',
      routine: 'blockFilters',
      units: (of.filters[0]! * s) ** 2,
      arguments: ({ inputs: [from], output: to }) => [from!, to, R, S, C * O, s, of.filters[0]!],
    };
    const product = winograd('conv2d', [of.images, of.filters], of.output, terms)!;
    const inputs = [blocks, filters, ...(bias ? [bias] : [])];
    return [
      launch,
      { kernel: { name: 'conv2d.blockFilters' }, inputs: [weight!.name], output: filters.name, body },
      ...product.lower({ attributes: { ...place, ...(relu && { relu }) }, inputs, output, scratch, terms }),
    ];
  },
};

export const filterGradientBlocks: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-winograd-blocks',
  device: 'wasm',
  applies(attributes, [, dy], weight, terms) {
    if (!fits(attributes, weight)) return false;
    const { images, filters, output } = shapes(attributes, weight, dy!);
    return winograd('conv2d.filterGradient', [images, output], filters, terms) !== undefined;
  },
  lower({ attributes, inputs: [x, dy], output, scratch, terms }) {
    const [R, S, C, O] = four(output.shape);
    const { stride: s } = attributes;
    const of = shapes(attributes, output.shape, dy!.shape);
    const { blocks, launch } = blockImages(x!, attributes, of.images, scratch);
    const filters = scratch(of.filters);
    const body: WasmRoutine = {
      language: 'wasm',
      routine: 'unblockFilters',
      units: R * S,
      arguments: ({ inputs: [from], output: to }) => [from!, to, S, C * O, s, of.filters[0]!],
    };
    const product = winograd('conv2d.filterGradient', [of.images, of.output], of.filters, terms)!;
    return [
      launch,
      ...product.lower({ attributes: place, inputs: [blocks, dy!], output: filters, scratch, terms }),
      { kernel: { name: 'conv2d.unblockFilters' }, inputs: [filters.name], output: output.name, body },
    ];
  },
};
