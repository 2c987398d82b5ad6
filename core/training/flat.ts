import type { Layout } from '../ops/op.ts';
import { elements, type Shape } from '../shape.ts';

/**
 * Trained parameters lie one after the other in one buffer, their gradients at the same places of a second, and what the optimizer
 * keeps for them in others: so that one launch updates them all, as one tensor without structure. Each begins at a multiple of
 * `ALIGNMENT` bytes; the floats between are zero and stay so.
 */
export interface FlatRange {
  readonly bytes: number;
  readonly members: readonly FlatMember[];
}
export interface FlatMember {
  readonly name: string;
  readonly shape: Shape;
  readonly layout: Layout;
  readonly byteOffset: number;
}

/** What `Device.slice` asks of an offset. */
const ALIGNMENT = 256;

/**
 * One range, or several where it would have more bytes than the device binds at once. A parameter that is larger than that by
 * itself has a range of its own.
 */
export function flatRanges(
  parameters: readonly { readonly name: string; readonly shape: Shape; readonly layout: Layout }[],
  largest = Number.POSITIVE_INFINITY,
): FlatRange[] {
  const ranges: { bytes: number; members: FlatMember[] }[] = [];
  for (const { name, shape, layout } of parameters) {
    const bytes = Math.ceil((4 * elements(shape)) / ALIGNMENT) * ALIGNMENT;
    let range = ranges.at(-1);
    if (!range || range.bytes + bytes > largest) {
      range = { bytes: 0, members: [] };
      ranges.push(range);
    }
    range.members.push({ name, shape, layout, byteOffset: range.bytes });
    range.bytes += bytes;
  }
  return ranges;
}
