/**
 * Places tensors that live for part of a pass into few shared buffers: two tensors may share one if no launch sees both.
 * Greedy by size (Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference", shared objects):
 * largest first, into the smallest buffer that is free for its whole life. Whole buffers rather than offsets into one,
 * because WebGPU may not bind one buffer for reading and writing in the same launch.
 */
export interface Lifetime {
  readonly name: string;
  readonly bytes: number;
  /** Indices of the first and last launch that touch it. */
  readonly first: number;
  readonly last: number;
}
export interface Placement {
  /** Size of each shared buffer. */
  readonly slots: readonly number[];
  readonly slotOf: ReadonlyMap<string, number>;
}

/** @param reusable sizes of buffers that exist already and are free for the whole time: they are slots 0, 1, … */
export function place(lifetimes: readonly Lifetime[], reusable: readonly number[] = []): Placement {
  const slots: { bytes: number; taken: Lifetime[] }[] = reusable.map(bytes => ({ bytes, taken: [] }));
  const slotOf = new Map<string, number>();
  const bySize = [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const tensor of bySize) {
    let best = -1;
    slots.forEach((slot, index) => {
      if (slot.bytes < tensor.bytes || (best >= 0 && slot.bytes >= slots[best]!.bytes)) return;
      if (slot.taken.every(other => other.last < tensor.first || other.first > tensor.last)) best = index;
    });
    if (best < 0) {
      best = slots.length;
      slots.push({ bytes: tensor.bytes, taken: [] });
    }
    slots[best]!.taken.push(tensor);
    slotOf.set(tensor.name, best);
  }
  return { slots: slots.map(slot => slot.bytes), slotOf };
}
