/**
 * conv2d and its input's gradient in WebAssembly, as products of gathered rows with packed filters: see
 * `core/assembly/convolve.ts`. Any shape, stride, dilation and number of groups.
 *
 * Measured on two cores of an AMD EPYC: the layers of ResNet-50, batch 8, run at 97 to 115 GFLOP/s with two threads
 * (`millrace bench step --model resnet50 --size 224 --batch 8 --device wasm --kernels 200`), where the same run measures 103 for
 * the block alone; most at 50 to 56 with one (`npx tsx spec/bench/convs.ts --exact --threads 1`). Of depthwise
 * convolutions seven of a block's eight columns would be zeros: see `depthwise.ts`.
 */
import type { Variant, VariantLaunch, WasmRoutine } from '../../kernels/variant.ts';
import { type Four, four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import type { Tensor } from '../op.ts';

export const COLUMNS = 8;
const ROWS = 6;
/** Bytes of packed filters that a unit works on: half of a common L2. */
const PANEL_BYTES = 512 * 1024;
/** Products summed up at a time: 6 rows of them leave room in a 32 KiB L1. */
const DEPTH = 1200;
/** Fewer channels are joined with their neighbours in the filter's row, if there is nothing between them. */
const FEW_CHANNELS = 16;
/** Units that keep many threads busy to the end. */
const UNITS = 128;

/** The arguments of `convolve` that say what is computed; `core/assembly/taps.ts` explains the second half. */
interface Product {
  readonly input: Four;
  readonly output: Four;
  readonly groups: number;
  readonly kernel: readonly [number, number];
  readonly channels: number;
  readonly filters: number;
  readonly top: number;
  readonly left: number;
  readonly step: number;
  readonly up: number;
  readonly down: number;
  readonly firstRow: number;
  readonly firstColumn: number;
}
/** How it is cut into units. */
interface Tiling {
  readonly chunk: number;
  readonly panels: number;
  readonly blocks: number;
  readonly units: number;
}

export const align = (bytes: number) => Math.ceil(bytes / 64) * 64;
/** `total` in equal parts of at most `most`, each a multiple of `unit`. */
export const part = (total: number, most: number, unit = 1) =>
  Math.ceil(Math.ceil(total / Math.ceil(total / Math.max(unit, most))) / unit) * unit;

/** How many of `size` rows of a filter belong to each phase. */
function phases(size: number, lead: number, step: number, up: number): number[] {
  const counts = new Array<number>(up).fill(0);
  for (let k = 0; k < size; k++) counts[(((k * step - lead) % up) + up) % up]!++;
  return counts;
}

function tiling({ output: [N, P, Q], groups, kernel, channels, filters, top, left, step, up }: Product): Tiling {
  const taps = Math.max(1, Math.max(...phases(kernel[0], top, step, up)) * Math.max(...phases(kernel[1], left, step, up)));
  const chunk = part(channels, Math.floor(DEPTH / taps), 4);
  const allPanels = Math.ceil(filters / COLUMNS);
  const allBlocks = Math.ceil((N * Math.ceil(P / up) * Math.ceil(Q / up)) / ROWS);
  let panels = part(allPanels, Math.floor(PANEL_BYTES / (taps * chunk * COLUMNS * 4)));
  let blocks = Math.min(allBlocks, 16);
  const units = () => Math.ceil(allBlocks / blocks) * Math.ceil(allPanels / panels) * groups * up * up;
  // fewer pixels a unit read the filters more often, fewer panels gather the pixels more often
  while (units() < UNITS && blocks > 8) blocks = part(allBlocks, blocks - 1);
  while (units() < UNITS && panels > 8) panels = part(allPanels, panels - 1);
  while (units() < UNITS && blocks > 2) blocks = part(allBlocks, blocks - 1);
  return { chunk, panels, blocks, units: units() };
}

/** The layout at the top of `convolve`. */
function convolveScratch({ kernel: [R, S], filters }: Product, { chunk }: Tiling): number {
  const taps = R * S;
  const zeros = chunk * 4 + 16;
  const nowhere = Math.ceil(filters / COLUMNS) * 32;
  return (
    320 +
    align(taps * 16) +
    align(taps * 8 + 64) +
    align(taps * ROWS * 4 + 64) +
    align(zeros) +
    align(nowhere) +
    align(taps * chunk * ROWS * 4 + 128) +
    256
  );
}

function convolve(
  name: string,
  product: Product,
  tiles: Tiling,
  [x, packed, y, bias]: readonly [Tensor, Tensor, Tensor, Tensor | undefined],
  relu: boolean,
): VariantLaunch {
  const { input, output, groups, kernel, channels, filters } = product;
  const { top, left, step, up, down, firstRow, firstColumn } = product;
  const finish = (bias ? 1 : 0) + (relu ? 2 : 0);
  const body: WasmRoutine = {
    language: 'wasm',
    routine: 'convolve',
    units: tiles.units,
    scratch: convolveScratch(product, tiles),
    arguments: ({ inputs: [xAt, packedAt, biasAt = 0], output: yAt }) => [
      ...[xAt!, packedAt!, biasAt, yAt, ...input, ...output.slice(1), groups, channels, filters, ...kernel],
      ...[top, left, step, up, down, firstRow, firstColumn, tiles.chunk, tiles.panels, tiles.blocks, finish],
    ],
  };
  const inputs = [x.name, packed.name, ...(bias ? [bias.name] : [])];
  return { kernel: { name }, inputs, output: y.name, body };
}

/** Whether a filter's row of taps × channels is one run of the (padded) image, and worth a padded copy. */
export const joins = (channels: number, S: number, { dilation, groups }: WindowPlace) =>
  dilation === 1 && groups === 1 && S > 1 && channels < FEW_CHANNELS;

/** The images with their padding, for runs that must not meet a border. */
export function padImages(name: string, x: Tensor, padded: Tensor, padding: number): VariantLaunch {
  const [N, H, W, C] = four(x.shape);
  const body: WasmRoutine = {
    language: 'wasm',
    routine: 'padImages',
    units: N * (H + 2 * padding),
    arguments: ({ inputs: [xAt], output }) => [xAt!, output, H, W, C, padding],
  };
  return { kernel: { name }, inputs: [x.name], output: padded.name, body };
}

/** Panels of `filters` outputs, of `depth` floats an output. */
const packedShape = (groups: number, depth: number, filters: number) => [groups, Math.ceil(filters / COLUMNS), depth, COLUMNS];

export const conv2dWasm: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-gemm',
  device: 'wasm',
  fuses: ['relu'],
  applies: () => true,
  lower({ attributes, inputs: [image, weight, bias], output, scratch }) {
    const { stride, padding, dilation, groups } = attributes;
    const [N, H, W, C] = four(image!.shape);
    const [R, S, each, O] = four(weight!.shape);
    const launches: VariantLaunch[] = [];
    let x = image!;
    let product: Product = {
      ...{ input: [N, H, W, C], output: four(output.shape), groups, kernel: [R, S], channels: each, filters: O / groups },
      ...{ top: -padding, left: -padding, step: -dilation, up: 1, down: stride, firstRow: 0, firstColumn: 0 },
    };
    if (joins(C, S, attributes)) {
      const input = [N, H + 2 * padding, W + 2 * padding, C] as const;
      if (padding > 0) {
        x = scratch(input);
        launches.push(padImages('conv2d.pad', image!, x, padding));
      }
      product = { ...product, input, kernel: [R, 1], channels: S * C, top: 0, left: 0 };
    }
    const { kernel, channels, filters } = product;
    const taps = kernel[0] * kernel[1];
    const packed = scratch(packedShape(groups, taps * channels, filters));
    const tiles = tiling(product);
    const pack: WasmRoutine = {
      language: 'wasm',
      routine: 'packFilters',
      units: groups * taps * Math.ceil(channels / 16),
      arguments: ({ inputs: [from], output: to }) => [from!, to, groups, taps, channels, filters, tiles.chunk],
    };
    launches.push({ kernel: { name: 'conv2d.pack' }, inputs: [weight!.name], output: packed.name, body: pack });
    launches.push(convolve('conv2d', product, tiles, [x, packed, output, bias], attributes.relu === true));
    return launches;
  },
};

/** The remainder from which a turn through all phases meets those with the most taps first. */
function firstPhase(counts: readonly number[]): number {
  const most = Math.max(...counts);
  const first = counts.findIndex((count, i) => count === most && counts.at(i - 1)! < most);
  return Math.max(0, first);
}

export const inputGradientWasm: Variant<WindowPlace> = {
  name: 'conv2d.inputGradient/wasm-gemm',
  device: 'wasm',
  applies: () => true,
  lower({ attributes: { stride, padding, dilation, groups }, inputs: [dy, weight], output, scratch }) {
    const [R, S, channels, O] = four(weight!.shape);
    const filters = O / groups;
    const rows = phases(R, padding, dilation, stride);
    const columns = phases(S, padding, dilation, stride);
    const product: Product = {
      ...{ input: four(dy!.shape), output: four(output.shape), groups, kernel: [R, S], channels: filters, filters: channels },
      ...{ top: padding, left: padding, step: dilation, up: stride, down: 1 },
      ...{ firstRow: firstPhase(rows), firstColumn: firstPhase(columns) },
    };
    const tiles = tiling(product);
    const packed = scratch(packedShape(groups, R * S * filters, channels));
    const { firstRow, firstColumn } = product;
    const turn: WasmRoutine = {
      language: 'wasm',
      routine: 'packTurned',
      units: groups * Math.ceil(channels / COLUMNS),
      scratch: align(R * S * 16),
      arguments: ({ inputs: [from], output: to }) => [
        ...[from!, to, groups, R, S, channels, filters, tiles.chunk],
        ...[padding, padding, dilation, stride, firstRow, firstColumn],
      ],
    };
    return [
      { kernel: { name: 'conv2d.turn' }, inputs: [weight!.name], output: packed.name, body: turn },
      convolve('conv2d.inputGradient', product, tiles, [dy!, packed, output, undefined], false),
    ];
  },
};
