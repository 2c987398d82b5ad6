import { fail } from '../../errors.ts';
import type { DeviceBuffer } from '../device.ts';

export interface ArenaBuffer extends DeviceBuffer {
  readonly offset: number;
}
const PAGE = 65536;
/** 4 GiB: all that 32-bit WebAssembly can address. */
export const MAXIMUM_PAGES = 65536;
const ALIGN = 64;
/** gpu.js's vector loads may read up to 12 bytes past an array's last element. */
const BEHIND = 256;
/** Bytes that buffers can have in all. */
export const MOST_BYTES = (MAXIMUM_PAGES - 1) * PAGE - BEHIND;

/** One growing shared memory that hands out aligned ranges: first fit among freed ones, else at the end. */
export class Arena {
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MAXIMUM_PAGES, shared: true });
  #free: { offset: number; bytes: number }[] = [];
  // the first page holds the constants of `core/assembly`, and makes a zero address a mistake that shows
  #end = PAGE;
  allocatedBytes = 0;

  allocate(bytes: number, label: string): ArenaBuffer {
    const size = Math.max(ALIGN, Math.ceil(bytes / ALIGN) * ALIGN);
    const index = this.#free.findIndex(range => range.bytes >= size);
    let offset: number;
    if (index >= 0) {
      const range = this.#free[index]!;
      offset = range.offset;
      range.offset += size;
      range.bytes -= size;
      if (range.bytes === 0) this.#free.splice(index, 1);
    } else {
      offset = this.#end;
      this.#grow(offset + size, label);
      this.#end += size;
    }
    this.allocatedBytes += size;
    new Uint8Array(this.memory.buffer, offset, size).fill(0);
    return { offset, bytes: size, label };
  }

  free(buffer: ArenaBuffer): void {
    this.allocatedBytes -= buffer.bytes;
    this.#free.push({ offset: buffer.offset, bytes: buffer.bytes });
    this.#free.sort((a, b) => a.offset - b.offset);
    this.#free = this.#free.reduce<{ offset: number; bytes: number }[]>((merged, range) => {
      const last = merged.at(-1);
      if (last && last.offset + last.bytes === range.offset) last.bytes += range.bytes;
      else merged.push(range);
      return merged;
    }, []);
    // what the last one gave back can grow in its place
    const last = this.#free.at(-1);
    if (last && last.offset + last.bytes === this.#end) this.#end = this.#free.pop()!.offset;
  }

  #grow(end: number, label: string): void {
    const have = this.memory.buffer.byteLength / PAGE;
    const need = Math.ceil((end + BEHIND) / PAGE);
    if (need <= have) return;
    try {
      if (need > MAXIMUM_PAGES) throw new RangeError('beyond 4 GiB');
      this.memory.grow(need - have);
    } catch (error) {
      const mib = (n: number) => `${Math.ceil(n / 2 ** 20)} MiB`;
      throw fail(
        'device',
        'wasm',
        `memory for "${label}" within the 4 GiB of 32-bit WebAssembly and what the system gives`,
        `a need of ${mib(end)} in all`,
        'Use a smaller batch, smaller images or a smaller model.',
        error,
      );
    }
  }
}
