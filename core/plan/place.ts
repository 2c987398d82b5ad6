/**
 * Places tensors that live for part of a pass into shared memory: two tensors may share bytes if no launch sees both. Greedy by
 * size (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference"): largest first, each into the
 * tightest place that is free for its whole life. There are two ways, for two kinds of devices:
 *
 *  - offsets into arenas, where devices bind any part of their memory. Tensors of different sizes share bytes, and hardly anything
 *    is wasted;
 *  - whole buffers, one tensor at a time in each: WebGPU may not bind one buffer for reading and writing in the same launch.
 *
 * Scratch comes after all else, into what is free, so that what it adds can be told.
 */
export interface Lifetime {
  readonly name: string;
  readonly bytes: number;
  /** Indices of the first and last launch that touch it. */
  readonly first: number;
  readonly last: number;
  /** Only the launches of one node know it. */
  readonly scratch?: boolean;
}
export interface Placement {
  /** Size of each buffer: first those that were there, then new ones. */
  readonly buffers: readonly number[];
  readonly places: ReadonlyMap<string, { readonly buffer: number; readonly offset: number }>;
  /** Bytes that new buffers would not have without scratch. */
  readonly scratchBytes: number;
}

/** @param reusable sizes of buffers that exist already and are free for the whole time: they are buffers 0, 1, … */
export type Place = (lifetimes: readonly Lifetime[], reusable?: readonly number[]) => Placement;

interface Taken extends Lifetime {
  readonly offset: number;
}

const bySize = (lifetimes: readonly Lifetime[]): Lifetime[] =>
  [...lifetimes].sort((a, b) => Number(a.scratch ?? false) - Number(b.scratch ?? false) || b.bytes - a.bytes || a.first - b.first);
const together = (a: Lifetime, b: Lifetime): boolean => a.first <= b.last && b.first <= a.last;

/** Each tensor at offset 0 of a buffer that it shares over time only. */
export const placeInBuffers: Place = (lifetimes, reusable = []) => {
  const buffers = reusable.map(bytes => ({ bytes, taken: [] as Lifetime[] }));
  const places = new Map<string, { buffer: number; offset: number }>();
  let scratchBytes = 0;
  for (const tensor of bySize(lifetimes)) {
    let best = -1;
    buffers.forEach((buffer, index) => {
      if (buffer.bytes < tensor.bytes || (best >= 0 && buffer.bytes >= buffers[best]!.bytes)) return;
      if (!buffer.taken.some(other => together(other, tensor))) best = index;
    });
    if (best < 0) {
      best = buffers.length;
      buffers.push({ bytes: tensor.bytes, taken: [] });
      if (tensor.scratch) scratchBytes += tensor.bytes;
    }
    buffers[best]!.taken.push(tensor);
    places.set(tensor.name, { buffer: best, offset: 0 });
  }
  return { buffers: buffers.map(({ bytes }) => bytes), places, scratchBytes };
};

/** What `Device.slice` asks of an offset. */
export const ALIGNMENT = 256;

/** Each tensor at an offset of an arena; new arenas are at most one, as large as need be. */
export const placeInArenas: Place = (lifetimes, reusable = []) => {
  const arenas = reusable.map(bytes => ({ limit: bytes, end: bytes, taken: [] as Taken[] }));
  const added = { limit: Number.POSITIVE_INFINITY, end: 0, taken: [] as Taken[] };
  const places = new Map<string, { buffer: number; offset: number }>();
  let scratchBytes = 0;
  for (const given of bySize(lifetimes)) {
    const tensor = { ...given, bytes: Math.max(1, Math.ceil(given.bytes / ALIGNMENT)) * ALIGNMENT };
    for (const [index, arena] of [...arenas, added].entries()) {
      const offset = tightest(arena.taken, tensor, arena.limit);
      if (offset === undefined) continue;
      const end = offset + tensor.bytes;
      if (tensor.scratch) scratchBytes += Math.max(0, end - arena.end);
      arena.end = Math.max(arena.end, end);
      // by offset, so that the gaps can be read off
      const after = arena.taken.findIndex(other => other.offset > offset);
      arena.taken.splice(after < 0 ? arena.taken.length : after, 0, { ...tensor, offset });
      places.set(tensor.name, { buffer: index, offset });
      break;
    }
  }
  const sizes = arenas.map(({ limit }) => limit);
  return { buffers: added.end > 0 ? [...sizes, added.end] : sizes, places, scratchBytes };
};

/** The offset of the smallest gap among tensors of the same time that is large enough, or else after all of them. */
function tightest(taken: readonly Taken[], tensor: Lifetime, limit: number): number | undefined {
  let best: number | undefined;
  let smallest = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const other of taken) {
    if (!together(other, tensor)) continue;
    const gap = other.offset - end;
    if (gap >= tensor.bytes && gap < smallest) {
      best = end;
      smallest = gap;
    }
    end = Math.max(end, other.offset + other.bytes);
  }
  if (best !== undefined) return best;
  return end + tensor.bytes <= limit ? end : undefined;
}
