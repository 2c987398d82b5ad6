import type { RawPixels } from './rawPixels.ts';

/** How the samples of a batch are mixed with each other: the pixels when the device converts them to floats, the labels in the loss. */
export interface Mixture {
  /** Sample i takes in `partners[i]`. */
  readonly partners: Int32Array;
  /** What is left of sample i itself, 0 to 1: its weight in the pixels if there is no `box`, and in the label. */
  readonly shares: Float32Array;
  /** The pixels in it are the partner's, all others the sample's own. Without a box each value is blended. */
  readonly box?: { readonly top: number; readonly left: number; readonly height: number; readonly width: number };
}

/**
 * Writes sample i, mixed of its own pixels and its partner's, to `out`, uint8 [H,W,C], for people to look at: a blend to the nearest byte. The device does not round
 * (`core/ops/toFloatEdited.ts`).
 */
export function mixPixels(
  out: Uint8Array,
  own: Uint8Array,
  other: Uint8Array,
  { shares, box }: Pick<Mixture, 'shares' | 'box'>,
  i: number,
  { width, channels }: Pick<RawPixels, 'width' | 'channels'>,
): void {
  if (box) {
    out.set(own);
    for (let y = box.top; y < box.top + box.height; y++) {
      const from = (y * width + box.left) * channels;
      out.set(other.subarray(from, from + box.width * channels), from);
    }
    return;
  }
  // 16 bits of weight: a product with a byte is a small integer
  const weight = Math.round(shares[i] * 65536);
  const rest = 65536 - weight;
  for (let k = 0; k < out.length; k++) out[k] = (own[k] * weight + other[k] * rest + 32768) >>> 16;
}
