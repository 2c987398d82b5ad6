import { closeSync, openSync, statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fail } from '../errors.ts';
import { type TarPlace, tarPlaces } from './tarPlaces.ts';
import { unreadable } from './unreadable.ts';

/**
 * Where the files of an archive lie, sorted by archive inside and by name, so that each can be read in place. ImageNet's training archive holds a tar for each
 * class; its files are found through both. 1.28 million files take about 45 MB.
 */
export interface TarIndex {
  /** Names of the archives inside, without `.tar`, sorted; empty if the files lie in the archive itself. */
  readonly groups: readonly string[];
  /** For each file the group it is in; all 0 without groups. */
  readonly groupOf: Uint16Array;
  /** First byte in the (outer) archive. */
  readonly offsets: Float64Array;
  readonly sizes: Uint32Array;
  /** UTF-8, one after the other; `nameEnds[i]` is where name i ends. */
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
  /** Archives that end without tar's end mark, which may have been cut off between two files: groups, or '' for the archive itself. */
  readonly unended: readonly string[];
}
export const fileCount = ({ offsets }: TarIndex): number => offsets.length;
export function fileName({ names, nameEnds }: TarIndex, i: number): string {
  return decoder.decode(names.subarray(i === 0 ? 0 : nameEnds[i - 1], nameEnds[i]));
}
const decoder = new TextDecoder();

export interface TarIndexOptions {
  /** Look into archives inside the archive. */
  readonly nested: boolean;
  readonly signal?: AbortSignal;
  /** Told now and then how far it is. */
  readonly progress?: (state: { readonly files: number; readonly bytes: number; readonly of: number }) => void;
}

/** How long headers are read before other work of the thread gets its turn. */
const turnMs = 8;
const mostGroups = 65_536;

/**
 * Finds all files of an uncompressed tar archive, or of the archives inside it.
 * Errors: an empty file; two archives of one name inside; those of `tarPlaces`.
 */
export async function indexTar(path: string, { nested, signal, progress }: TarIndexOptions): Promise<TarIndex> {
  const total = sizeOf(path);
  if (total === 0) throw fail('data', path, 'a tar archive', 'an empty file', 'Fetch or make it again.');
  const found = new Collector();
  const fd = openToRead(path);
  try {
    let turnEnds = performance.now() + turnMs;
    for (const { offset } of walk(path, fd, total, nested, found)) {
      if (performance.now() < turnEnds) continue;
      signal?.throwIfAborted();
      progress?.({ files: found.count, bytes: offset, of: total });
      await nextTurn();
      turnEnds = performance.now() + turnMs;
    }
  } finally {
    closeSync(fd);
  }
  return found.finish();
}

function* walk(path: string, fd: number, end: number, nested: boolean, found: Collector): Generator<TarPlace> {
  const collect = function* (start: number, end: number, within: string): Generator<TarPlace> {
    const places = tarPlaces(path, fd, { start, end, within });
    for (let next = places.next(); ; next = places.next()) {
      if (next.done) {
        if (!next.value) found.unended.push(within ? groupName(within) : '');
        return;
      }
      const { name, file, offset, size } = next.value;
      yield next.value;
      if (!file) continue;
      if (within || !nested) found.add(name, offset, size);
      else if (name.endsWith('.tar')) {
        found.enter(path, groupName(name));
        yield* collect(offset, offset + size, name);
      }
    }
  };
  yield* collect(0, end, '');
}

function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, 'a file that can be read', error);
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw unreadable(path, 'a file that can be read', error);
  }
}

/** Files as they are found, in arrays that grow. */
class Collector {
  count = 0;
  readonly unended: string[] = [];
  readonly #groups: string[] = [];
  readonly #known = new Set<string>();
  #groupOf = new Uint16Array(1024);
  #offsets = new Float64Array(1024);
  #sizes = new Uint32Array(1024);
  #nameEnds = new Uint32Array(1024);
  #names = Buffer.alloc(1 << 16);
  #nameBytes = 0;

  enter(where: string, group: string): void {
    if (this.#groups.length === mostGroups) {
      throw fail('data', where, `at most ${mostGroups} archives inside`, 'more', 'Give an archive of images or of class archives.');
    }
    if (this.#known.has(group)) {
      throw fail('data', where, 'archives of different names inside', `${group}.tar twice`, 'Pack it again with one of them.');
    }
    this.#known.add(group);
    this.#groups.push(group);
  }
  add(name: string, offset: number, size: number): void {
    const i = this.count++;
    if (i === this.#offsets.length) {
      this.#groupOf = grown(this.#groupOf);
      this.#offsets = grown(this.#offsets);
      this.#sizes = grown(this.#sizes);
      this.#nameEnds = grown(this.#nameEnds);
    }
    const bytes = Buffer.byteLength(name);
    if (this.#nameBytes + bytes > this.#names.length) {
      const larger = Buffer.alloc(Math.max(2 * this.#names.length, this.#nameBytes + bytes));
      this.#names.copy(larger);
      this.#names = larger;
    }
    this.#names.write(name, this.#nameBytes);
    this.#nameBytes += bytes;
    this.#nameEnds[i] = this.#nameBytes;
    this.#groupOf[i] = Math.max(0, this.#groups.length - 1);
    this.#offsets[i] = offset;
    this.#sizes[i] = size;
  }
  finish(): TarIndex {
    const { count } = this;
    const groups = this.#groups.toSorted();
    const order = this.#order(groups);
    const place = new Map(groups.map((group, at) => [group, at]));
    const places = Uint16Array.from(this.#groups, group => place.get(group)!);
    const index = {
      groups,
      groupOf: new Uint16Array(count),
      offsets: new Float64Array(count),
      sizes: new Uint32Array(count),
      names: new Uint8Array(this.#nameBytes),
      nameEnds: new Uint32Array(count),
      unended: this.unended.toSorted(),
    };
    let end = 0;
    for (let to = 0; to < count; to++) {
      const from = order[to];
      // 0 without groups
      index.groupOf[to] = places[this.#groupOf[from]] ?? 0;
      index.offsets[to] = this.#offsets[from];
      index.sizes[to] = this.#sizes[from];
      end += this.#names.copy(index.names, end, this.#nameStart(from), this.#nameEnds[from]);
      index.nameEnds[to] = end;
    }
    return index;
  }

  #nameStart(i: number): number {
    return i === 0 ? 0 : this.#nameEnds[i - 1];
  }
  /** By archive inside, then by the bytes of the name: a group's files lie side by side, so each is sorted by itself. */
  #order(sorted: readonly string[]): Uint32Array {
    const { count } = this;
    const starts = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      if (i === 0 || this.#groupOf[i] !== this.#groupOf[i - 1]) starts.set(this.#groups[this.#groupOf[i]] ?? '', i);
    }
    const order = new Uint32Array(count);
    let at = 0;
    for (const group of this.#groups.length > 0 ? sorted : ['']) {
      const start = starts.get(group);
      if (start === undefined) continue;
      let end = start + 1;
      while (end < count && this.#groupOf[end] === this.#groupOf[start]) end++;
      order.set(this.#byName(start, end), at);
      at += end - start;
    }
    return order;
  }
  /** Latin-1 strings compare as their bytes do, and much faster than slices of the names. */
  #byName(start: number, end: number): Uint32Array {
    const order = Uint32Array.from({ length: end - start }, (_, i) => start + i);
    const names = Array.from(order, i => this.#names.toString('latin1', this.#nameStart(i), this.#nameEnds[i]));
    if (names.every((name, i) => i === 0 || names[i - 1] < name)) return order;
    return order.sort((a, b) => {
      const [one, other] = [names[a - start], names[b - start]];
      // files of one name keep the order in which they lie
      return one < other ? -1 : one > other ? 1 : a - b;
    });
  }
}

function grown<A extends Uint16Array | Uint32Array | Float64Array>(array: A): A {
  const larger = new (array.constructor as new (length: number) => A)(2 * array.length);
  larger.set(array);
  return larger;
}

/** `train/n01440764.tar` → `n01440764`. */
const groupName = (name: string): string => name.slice(name.lastIndexOf('/') + 1, -'.tar'.length);
