import type { ImageMemory } from './imageMemory.ts';
import type { JpegFrame } from './jpegFrame.ts';
import type { Region } from './planned.ts';
import type { RawPixels } from './rawPixels.ts';

/** Of the routines in `core/assembly/jpegBits.ts` and `jpegScan.ts`. */
const TABLE_BYTES = 4096 + 2 * 4 * 17 + 256;
const COMPONENT_WORDS = 8;
const MARGIN = 64;

/** Row-major places of the coefficients in zigzag order (T.81, figure 5). */
const natural: readonly number[] = zigzag();

/**
 * uint8 [H,W,3], or [H,W,1] of a grey picture, of one region: the same bytes as libjpeg's with its defaults (accurate integer transform,
 * "fancy" upsampling). The codes are read down to the region's last row, and only what it needs is transformed. `file` holds the
 * encoded bytes, `frame` what its segments say. In words why not, where the data are damaged or the image is too large.
 */
export function decodeJpeg(file: Uint8Array, frame: JpegFrame, region: Region, memory: ImageMemory): RawPixels | string {
  const { components, across, down, restartInterval, width, height } = frame;
  const columns = Math.ceil(width / (8 * across));
  const rows = Math.ceil(height / (8 * down));
  const units = unitsOf(region, frame, columns, rows);
  const across8 = (units.endColumn - units.firstColumn) * 8;
  const down8 = (units.endRow - units.firstRow) * 8;
  const intervals = restartInterval > 0 ? Math.ceil((columns * rows) / restartInterval) : 1;
  const encoded = file.length - frame.data;
  const planes = across8 * down8 * (across * down + components.length - 1);
  const out = region.height * region.width * components.length;
  const scratch = 6 * region.width + 1024;
  if (!memory.hasRoom(2 * encoded + 24 * intervals + 8 * TABLE_BYTES + planes + out + scratch + 4096, 32)) return 'large';

  const from = memory.put(file.subarray(frame.data));
  const plain = memory.take(encoded + 16 * (intervals + 2));
  const bounds = memory.take(8 * intervals);
  const { routines } = memory;
  if (routines.jpegIntervals(from, from + encoded, plain, bounds, intervals) !== intervals) return damaged;

  const tables = new Tables(file, frame, memory);
  const description = new Int32Array(components.length * COMPONENT_WORDS);
  const where = components.map(({ dc, ac, quantization }, i) => {
    const [h, v] = i === 0 ? [across, down] : [1, 1];
    const stride = across8 * h;
    const plane = memory.take(stride * down8 * v + 2 * MARGIN) + MARGIN;
    description.set(
      [h, v, tables.code('dc', dc), tables.code('ac', ac), tables.quantization(quantization), plane, stride],
      i * COMPONENT_WORDS,
    );
    return { plane, stride };
  });
  if (tables.damaged) return damaged;
  const blocks = memory.take(256);
  memory.bytes(blocks, 256).fill(0);
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
    blocks,
    endRow === rows ? 1 : 0,
  );
  if (!read) return damaged;

  const { top, left } = region;
  const [luma, blues, reds] = where;
  if (!blues) return cutOut(memory, luma, top - firstRow * 8, left - firstColumn * 8, region);
  const at = memory.take(out);
  routines.jpegColor(
    luma.plane,
    blues.plane,
    reds.plane,
    luma.stride,
    blues.stride,
    across,
    down,
    firstColumn,
    firstRow,
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

/** The units (MCUs) that a region is made from: colours between samples need the next one too. */
function unitsOf({ top, left, height, width }: Region, { across, down }: JpegFrame, columns: number, rows: number) {
  const range = (from: number, end: number, step: 1 | 2, most: number) => {
    const reach = step - 1;
    return [Math.max(0, Math.floor((from - reach) / (8 * step))), Math.min(most, Math.floor((end - 1 + reach) / (8 * step)) + 1)];
  };
  const [firstRow, endRow] = range(top, top + height, down, rows);
  const [firstColumn, endColumn] = range(left, left + width, across, columns);
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
