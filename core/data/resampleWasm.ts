import { ImageMemory } from './imageMemory.ts';
import { flip, type RawPixels } from './rawPixels.ts';
import { type Parts, resample, sweeps, type Taps } from './resample.ts';

/** One a thread, for callers that have none of their own; made at first use. */
let ownMemory: ImageMemory | undefined;

export interface ResampleOptions extends Parts {
  /** Exchanges left and right on the way, which costs nothing; of the window, where there is one. */
  readonly mirrored?: boolean;
  /** The result may lie there, until its next `reset`. */
  readonly memory?: ImageMemory;
}

/** As `resample`, byte for byte, in WebAssembly SIMD (`core/assembly/resample.ts`). */
export function resampleFast(
  whole: RawPixels,
  wholeHeight: number,
  wholeWidth: number,
  { mirrored = false, memory: given, window, from }: ResampleOptions = {},
): RawPixels {
  const { source: image, across, down } = sweeps(whole, wholeHeight, wholeWidth, { window, from });
  if (!across && !down) return mirrored ? flip(image) : image;
  const { height, width } = window ?? { height: wholeHeight, width: wholeWidth };
  const { channels } = image;
  const memory = given ?? freshMemory();
  const sizes = [image.data.length, across ? image.height * width * channels : 0, down ? height * width * channels : 0];
  const need = bytesOf(across) + bytesOf(down) + sizes.reduce((sum, bytes) => sum + bytes, 0);
  if (!memory.hasRoom(need, 9) || (channels !== 1 && channels !== 3)) {
    const slow = resample(whole, wholeHeight, wholeWidth, { window, from });
    return mirrored ? flip(slow) : slow;
  }

  const { routines } = memory;
  const put = (taps: Taps, backwards: boolean) => {
    const first = backwards ? taps.first.toReversed() : taps.first;
    const count = backwards ? taps.count.toReversed() : taps.count;
    return [memory.put(first), memory.put(count), memory.put(pairs(taps, backwards)), evenMost(taps)];
  };
  let now = (given && image.address) ?? memory.put(image.data);
  if (across) {
    const to = memory.take(sizes[1]);
    const rows = channels === 3 ? routines.resampleRows3 : routines.resampleRows1;
    rows(0, image.height, 0, now, image.width, to, width, ...put(across, mirrored));
    now = to;
  }
  if (down) {
    const to = memory.take(sizes[2]);
    routines.resampleColumns(0, height, 0, now, to, width * channels, ...put(down, false));
    now = to;
  }
  const out = memory.pixels(now, height, width, channels);
  if (mirrored && !across) return flip(out);
  return given ? out : { data: out.data.slice(), height, width, channels };
}

function freshMemory(): ImageMemory {
  ownMemory ??= new ImageMemory();
  ownMemory.reset();
  return ownMemory;
}

const LOW_BITS = 11;
const evenMost = ({ most }: Taps): number => most + (most & 1);

/**
 * The weights as `core/assembly/resample.ts` wants them: for two taps both high parts, then both low parts. Backwards: of the last
 * position first.
 */
function pairs(taps: Taps, backwards: boolean): Int16Array {
  const { count, weights, most } = taps;
  const out = new Int16Array(2 * count.length * evenMost(taps));
  for (let position = 0; position < count.length; position++) {
    const to = 2 * (backwards ? count.length - 1 - position : position) * evenMost(taps);
    for (let k = 0; k < count[position]; k++) {
      const weight = weights[position * most + k];
      const at = to + 4 * (k >> 1) + (k & 1);
      out[at] = weight >> LOW_BITS;
      out[at + 2] = weight & ((1 << LOW_BITS) - 1);
    }
  }
  return out;
}

const bytesOf = (taps: Taps | undefined): number =>
  taps ? taps.first.byteLength + taps.count.byteLength + 4 * taps.count.length * evenMost(taps) : 0;
