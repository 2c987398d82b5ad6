import { wasmLibrary } from '../kernels/wasmLibrary.ts';
import type { RawPixels } from './rawPixels.ts';
import { resample, type Taps, tapsOf } from './resample.ts';

const PAGE = 65536;
/** Memory that is kept for it, at most: larger images take the slow way, as they are rare and would hold it for ever. */
const MOST_BYTES = 64 * 2 ** 20;
/** Vector loads may reach this far past an image. */
const SLACK = 64;

type Routine = (start: number, end: number, scratch: number, ...rest: number[]) => void;
interface Workplace {
  readonly memory: WebAssembly.Memory;
  readonly routines: Readonly<Record<'resampleRows1' | 'resampleRows3' | 'resampleColumns', Routine>>;
}
/** One a thread, made at first use. */
let workplace: Workplace | undefined;

/** As `resample`, byte for byte, in WebAssembly SIMD (`core/assembly/resample.ts`). */
export function resampleFast(image: RawPixels, height: number, width: number): RawPixels {
  const { channels } = image;
  if (height === image.height && width === image.width) return image;
  const across = width === image.width ? undefined : tapsOf(image.width, width);
  const down = height === image.height ? undefined : tapsOf(image.height, height);
  const sizes = [image.data.length, across ? image.height * width * channels : 0, down ? height * width * channels : 0];
  const tables = bytesOf(across) + bytesOf(down);
  const need = PAGE + tables + sizes.reduce((sum, bytes) => sum + aligned(bytes + SLACK), 0);
  if (need > MOST_BYTES || (channels !== 1 && channels !== 3)) return resample(image, height, width);

  workplace ??= open();
  const { memory, routines } = workplace;
  if (need > memory.buffer.byteLength) memory.grow(Math.ceil((need - memory.buffer.byteLength) / PAGE));
  // the first page holds the library's constants
  let end = PAGE;
  const take = (bytes: number) => {
    const at = end;
    end += aligned(bytes);
    return at;
  };
  const put = (taps: Taps) => {
    const tables = [taps.first, taps.count, pairs(taps)];
    const addresses = tables.map(table => {
      const at = take(table.byteLength);
      new Uint8Array(memory.buffer, at, table.byteLength).set(new Uint8Array(table.buffer));
      return at;
    });
    return [...addresses, evenMost(taps)];
  };
  let now = take(image.data.length + SLACK);
  new Uint8Array(memory.buffer, now, image.data.length).set(image.data);
  if (across) {
    const to = take(image.height * width * channels + SLACK);
    const rows = channels === 3 ? routines.resampleRows3 : routines.resampleRows1;
    rows(0, image.height, 0, now, image.width, to, width, ...put(across));
    now = to;
  }
  if (down) {
    const to = take(height * width * channels + SLACK);
    routines.resampleColumns(0, height, 0, now, to, width * channels, ...put(down));
    now = to;
  }
  const data = new Uint8Array(memory.buffer, now, height * width * channels).slice();
  return { data, height, width, channels };
}

function open(): Workplace {
  const { module } = wasmLibrary();
  const memory = new WebAssembly.Memory({ initial: 1, maximum: PAGE, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory, abort } });
  return { memory, routines: exports as unknown as Workplace['routines'] };
}
function abort(): never {
  throw new Error('a routine of core/assembly gave up');
}

const LOW_BITS = 11;
const evenMost = ({ most }: Taps): number => most + (most & 1);

/** The weights as `core/assembly/resample.ts` wants them: for two taps both high parts, then both low parts. */
function pairs(taps: Taps): Int16Array {
  const { count, weights, most } = taps;
  const out = new Int16Array(2 * count.length * evenMost(taps));
  for (let position = 0; position < count.length; position++) {
    const to = 2 * position * evenMost(taps);
    for (let k = 0; k < count[position]; k++) {
      const weight = weights[position * most + k];
      const at = to + 4 * (k >> 1) + (k & 1);
      out[at] = weight >> LOW_BITS;
      out[at + 2] = weight & ((1 << LOW_BITS) - 1);
    }
  }
  return out;
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;
const bytesOf = (taps: Taps | undefined): number =>
  taps ? aligned(taps.first.byteLength) + aligned(taps.count.byteLength) + aligned(4 * taps.count.length * evenMost(taps)) : 0;
