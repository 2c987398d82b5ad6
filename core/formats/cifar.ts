import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fail } from '../errors.ts';
import { unreadable } from './unreadable.ts';

/** Source of the format: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version". */
export const cifarSide = 32;
const plane = cifarSide * cifarSide;
const pixelBytes = 3 * plane;

/** Labels before the pixels of an image, and which of them is the class. */
export interface CifarRecords {
  readonly labelBytes: 1 | 2;
  readonly labelAt: 0 | 1;
}

/** One binary file, on the disk or unpacked in memory. */
export class CifarFile {
  readonly images: number;
  readonly #recordBytes: number;
  #fd: number | undefined;

  /** @param content undefined: read from `path`. Errors: not whole records, none at all. */
  constructor(
    readonly path: string,
    private readonly records: CifarRecords,
    private readonly content?: Uint8Array,
  ) {
    this.#recordBytes = records.labelBytes + pixelBytes;
    const bytes = content?.length ?? this.#size();
    this.images = bytes / this.#recordBytes;
    if (Number.isInteger(this.images) && this.images > 0) return;
    const whole = Math.floor(this.images);
    const got =
      bytes === 0 ? 'an empty file' : `${bytes} bytes, which is ${whole} and ${bytes - whole * this.#recordBytes} bytes of another`;
    const expected = `images of ${this.#recordBytes} bytes each`;
    throw fail('data', path, expected, got, 'It was cut off, or is another file: fetch it again.');
  }

  /** The labels of all images, below `classes`. The error names image and byte. */
  labels(classes: number): Uint8Array {
    const labels = new Uint8Array(this.images);
    // a thousand records at a time: 3 MB
    const chunk = new Uint8Array(1000 * this.#recordBytes);
    for (let first = 0; first < this.images; first += 1000) {
      const count = Math.min(1000, this.images - first);
      const bytes = this.#read(chunk.subarray(0, count * this.#recordBytes), first * this.#recordBytes);
      for (let i = 0; i < count; i++) {
        const label = bytes[i * this.#recordBytes + this.records.labelAt];
        if (label >= classes) throw this.#wrongLabel(first + i, label, classes);
        labels[first + i] = label;
      }
    }
    this.close();
    return labels;
  }

  /** uint8 [32, 32, 3]; the file has the three planes one after the other. */
  pixels(image: number): Uint8Array {
    const planes = this.#read(new Uint8Array(pixelBytes), image * this.#recordBytes + this.records.labelBytes);
    const pixels = new Uint8Array(pixelBytes);
    for (let i = 0, at = 0; i < plane; i++) {
      pixels[at++] = planes[i];
      pixels[at++] = planes[plane + i];
      pixels[at++] = planes[2 * plane + i];
    }
    return pixels;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #read(into: Uint8Array, at: number): Uint8Array {
    if (this.content) return this.content.subarray(at, at + into.length);
    this.#fd ??= this.#open();
    for (let filled = 0; filled < into.length; ) {
      const bytes = readSync(this.#fd, into, filled, into.length - filled, at + filled);
      if (bytes === 0)
        throw fail('data', this.path, 'a file that stays as it is', `its end at byte ${at + filled}`, 'It changed meanwhile: start again.');
      filled += bytes;
    }
    return into;
  }
  #open(): number {
    try {
      return openSync(this.path, 'r');
    } catch (error) {
      throw unreadable(this.path, 'a file of images that can be read', error);
    }
  }
  #size(): number {
    this.#fd = this.#open();
    const { size } = fstatSync(this.#fd);
    this.close();
    return size;
  }
  #wrongLabel(image: number, label: number, classes: number): Error {
    const at = image * this.#recordBytes + this.records.labelAt;
    const fix = 'It is damaged, or of the other CIFAR: fetch it again.';
    return fail('data', `${this.path}, image ${image}, byte ${at}`, `a label from 0 to ${classes - 1}`, String(label), fix);
  }
}
