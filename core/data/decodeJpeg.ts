import type { ImageMemory } from './imageMemory.ts';
import type { JpegFrame } from './jpegFrame.ts';
import type { Region } from './planned.ts';
import type { RawPixels } from './rawPixels.ts';
import type { Reduction } from './reduction.ts';

/** Of the routines in `core/assembly/jpegBits.ts` and `jpegScan.ts`. */
const TABLE_BYTES = 4096 + 2 * 4 * 17 + 256 + 2 * 2048;
const COMPONENT_WORDS = 9;
const MARGIN = 64;

/** Row-major places of the coefficients in zigzag order (T.81, figure 5). */
const natural: readonly number[] = zigzag();

/**
 * uint8 [H,W,3], or [H,W,1] of a grey picture, of one region: the same bytes as libjpeg's with its defaults (accurate integer transform,
 * "fancy" upsampling). The codes are read down to the region's last row, and only what it needs is transformed. `file` holds the
 * encoded bytes, `frame` what its segments say. In words why not, where the data are damaged or the image is too large.
 *
 * With a `reduction` of 2, 4 or 8 the picture is ceil(height / reduction) × ceil(width / reduction), as libjpeg decodes it at the scale
 * 1 / reduction: blocks are transformed to fewer samples. `region` is one of that smaller picture.
 */
export function decodeJpeg(
  file: Uint8Array,
  frame: JpegFrame,
  region: Region,
  memory: ImageMemory,
  reduction: Reduction = 1,
): RawPixels | string {
  const { components, restartInterval } = frame;
  const columns = Math.ceil(frame.width / (8 * frame.across));
  const rows = Math.ceil(frame.height / (8 * frame.down));
  const height = Math.ceil(frame.height / reduction);
  const width = Math.ceil(frame.width / reduction);
  const { side, colourSide, across, down, fancy } = samples(frame, reduction, width);
  // pixels of a unit's sides
  const unit = { across: side * frame.across, down: side * frame.down };
  const units = unitsOf(region, { across, down }, unit, columns, rows);
  const unitsAcross = units.endColumn - units.firstColumn;
  const unitsDown = units.endRow - units.firstRow;
  const intervals = restartInterval > 0 ? Math.ceil((columns * rows) / restartInterval) : 1;
  const encoded = file.length - frame.data;
  const planes = unitsAcross * unitsDown * (unit.across * unit.down + (components.length - 1) * colourSide * colourSide);
  const out = region.height * region.width * components.length;
  const scratch = 6 * region.width + 1024;
  // behind each interval come zeros, and there is room for them in front of the file: each of its bytes is read before one is written there
  const ahead = 16 * (intervals + 2);
  if (!memory.hasRoom(encoded + ahead + 8 * intervals + 8 * TABLE_BYTES + planes + out + scratch + 4096, 32)) return 'large';

  const plain = memory.take(ahead + encoded);
  const from = plain + ahead;
  memory.bytes(from, encoded).set(file.subarray(frame.data));
  const bounds = memory.take(8 * intervals);
  const { routines } = memory;
  if (routines.jpegIntervals(from, from + encoded, plain, bounds, intervals) !== intervals) return damaged;

  const tables = new Tables(file, frame, memory);
  const description = new Int32Array(components.length * COMPONENT_WORDS);
  const where = components.map(({ dc, ac, quantization }, i) => {
    const [h, v, size] = i === 0 ? [frame.across, frame.down, side] : [1, 1, colourSide];
    const stride = unitsAcross * size * h;
    const plane = memory.take(stride * unitsDown * size * v + 2 * MARGIN) + MARGIN;
    description.set(
      [h, v, tables.code('dc', dc), tables.code('ac', ac), tables.quantization(quantization), plane, stride, 0, size],
      i * COMPONENT_WORDS,
    );
    return { plane, stride };
  });
  if (tables.damaged) return damaged;
  const block = memory.take(128);
  memory.bytes(block, 128).fill(0);
  const { firstRow, endRow, firstColumn, endColumn } = units;
  const read = routines.jpegScan(
    bounds,
    restartInterval,
    columns,
    firstRow,
    endRow,
    firstColumn,
    endColumn,
    memory.put(description),
    components.length,
    block,
    endRow === rows ? 1 : 0,
  );
  if (!read) return damaged;

  const { top, left } = region;
  const [luma, blues, reds] = where;
  if (!blues) return cutOut(memory, luma, top - firstRow * side, left - firstColumn * side, region);
  const at = memory.take(out);
  routines.jpegColor(
    luma.plane,
    blues.plane,
    reds.plane,
    luma.stride,
    blues.stride,
    across,
    down,
    fancy ? 1 : 0,
    firstColumn * unit.across,
    firstRow * unit.down,
    height,
    width,
    top,
    top + region.height,
    left,
    left + region.width,
    at,
    memory.take(scratch),
  );
  return memory.pixels(at, region.height, region.width, 3);
}

/**
 * Samples of a block's side, of luma and of the colours; samples of luma for one of the colours that this leaves, across and down;
 * whether those between are interpolated. Colours at half of the luma's size in both directions are reduced half as much, so that
 * nothing is between. Source: libjpeg's `jdmaster.c` (jpeg_calc_output_dimensions) and `jdsample.c` (jinit_upsampler).
 */
function samples({ across, down }: JpegFrame, reduction: Reduction, width: number) {
  const side = 8 / reduction;
  if (across === 2 && down === 2 && side < 8) return { side, colourSide: 2 * side, across: 1, down: 1, fancy: false };
  return { side, colourSide: side, across, down, fancy: side > 1 && (across === 1 || width > 4) };
}

interface PerUnit {
  readonly across: number;
  readonly down: number;
}
/** The units (MCUs) that a region is made from: colours between samples need the next one too. */
function unitsOf({ top, left, height, width }: Region, sampling: PerUnit, unit: PerUnit, columns: number, rows: number) {
  const range = (from: number, end: number, step: number, pixels: number, most: number) => {
    const reach = step - 1;
    return [Math.max(0, Math.floor((from - reach) / pixels)), Math.min(most, Math.floor((end - 1 + reach) / pixels) + 1)];
  };
  const [firstRow, endRow] = range(top, top + height, sampling.down, unit.down, rows);
  const [firstColumn, endColumn] = range(left, left + width, sampling.across, unit.across, columns);
  return { firstRow, endRow, firstColumn, endColumn };
}

function cutOut(
  memory: ImageMemory,
  { plane, stride }: { plane: number; stride: number },
  top: number,
  left: number,
  { height, width }: Region,
): RawPixels {
  const at = memory.take(height * width);
  const out = memory.bytes(at, height * width);
  const samples = memory.bytes(plane, stride * (top + height));
  for (let y = 0; y < height; y++) {
    const from = (top + y) * stride + left;
    out.set(samples.subarray(from, from + width), y * width);
  }
  return memory.pixels(at, height, width, 1);
}

/** The tables that components share, brought to memory once each. */
class Tables {
  readonly #at = new Map<string, number>();
  damaged = false;
  constructor(
    private readonly file: Uint8Array,
    private readonly frame: JpegFrame,
    private readonly memory: ImageMemory,
  ) {}
  code(kind: 'dc' | 'ac', number: number): number {
    return this.#once(`${kind}${number}`, () => {
      const { memory, frame } = this;
      const from = (kind === 'dc' ? frame.dcTables : frame.acTables)[number];
      const specification = memory.put(this.file.subarray(from, from + 16 + 256));
      const at = memory.take(TABLE_BYTES);
      if (!memory.routines.jpegTable(specification, at, kind === 'dc' ? 1 : 0)) this.damaged = true;
      return at;
    });
  }
  quantization(number: number): number {
    return this.#once(`q${number}`, () => {
      const from = this.frame.quantization[number];
      const factors = new Int16Array(64);
      for (let k = 0; k < 64; k++) factors[natural[k]] = this.file[from + k];
      return this.memory.put(factors);
    });
  }
  #once(key: string, make: () => number): number {
    const at = this.#at.get(key) ?? make();
    this.#at.set(key, at);
    return at;
  }
}

function zigzag(): number[] {
  const order: number[] = [];
  for (let sum = 0; sum < 15; sum++) {
    for (let i = 0; i <= sum; i++) {
      const [row, column] = sum % 2 === 0 ? [sum - i, i] : [i, sum - i];
      if (row < 8 && column < 8) order.push(8 * row + column);
    }
  }
  return order;
}

const damaged = 'damaged';
