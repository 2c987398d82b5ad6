import { exifOrientation } from './exifOrientation.ts';

/** What it takes to decode a JPEG of the common kind: baseline, 8 bits, YCbCr or grey, all in one scan. Source: ITU-T T.81, annex B. */
export interface JpegFrame {
  readonly height: number;
  readonly width: number;
  /** One or three. */
  readonly components: readonly JpegComponent[];
  /** Samples of the first component for one of the others, across and down: 1 or 2. */
  readonly across: 1 | 2;
  readonly down: 1 | 2;
  /** Positions in the file: 64 bytes in zigzag order, by number. */
  readonly quantization: readonly number[];
  /** Positions in the file of the specifications (16 counts, then symbols), by number. */
  readonly dcTables: readonly number[];
  readonly acTables: readonly number[];
  /** Units between restart markers; 0 if there are none. */
  readonly restartInterval: number;
  /** Where the entropy-coded data begin. */
  readonly data: number;
}
export interface JpegComponent {
  readonly quantization: number;
  readonly dc: number;
  readonly ac: number;
}

/** Reads the segments before the data of a JPEG; or says in a few words why it is not of the common kind. */
export function jpegFrame(bytes: Uint8Array): JpegFrame | string {
  return new Segments(bytes).read();
}

const marker = {
  SOF0: 0xc0,
  SOF1: 0xc1,
  DHT: 0xc4,
  JPG: 0xc8,
  DAC: 0xcc,
  SOF15: 0xcf,
  SOI: 0xd8,
  SOS: 0xda,
  DQT: 0xdb,
  DRI: 0xdd,
  APP0: 0xe0,
  APP1: 0xe1,
  APP14: 0xee,
  APP15: 0xef,
  COM: 0xfe,
} as const;

class Segments {
  readonly #quantization: number[] = [];
  readonly #dcTables: number[] = [];
  readonly #acTables: number[] = [];
  #components: { id: number; across: number; down: number; quantization: number }[] = [];
  #height = 0;
  #width = 0;
  #restartInterval = 0;
  #jfif = false;
  /** What Adobe's marker says of the colours: 1 for YCbCr. */
  #adobe: number | undefined;
  #exif = false;

  constructor(private readonly bytes: Uint8Array) {}

  read(): JpegFrame | string {
    const { bytes } = this;
    if (bytes[0] !== 0xff || bytes[1] !== marker.SOI) return 'not a JPEG';
    for (let at = 2; at + 4 <= bytes.length; ) {
      if (bytes[at] !== 0xff) return damaged;
      const kind = bytes[at + 1];
      // any number of fill bytes may stand before a marker
      if (kind === 0xff) {
        at++;
        continue;
      }
      const end = at + 2 + this.#word(at + 2);
      if (end > bytes.length || end < at + 4) return damaged;
      if (kind === marker.SOS) return this.#scan(at + 4, end);
      const trouble = this.#segment(kind, at + 4, end);
      if (trouble) return trouble;
      at = end;
    }
    return damaged;
  }

  /** Takes note of a segment; in words what is not common about it. */
  #segment(kind: number, at: number, end: number): string | undefined {
    switch (kind) {
      case marker.SOF0:
      case marker.SOF1:
        return this.#frame(at, end);
      case marker.DHT:
        return this.#huffman(at, end);
      case marker.DQT:
        return this.#tables(at, end);
      case marker.DRI:
        if (end - at !== 2) return damaged;
        this.#restartInterval = this.#word(at);
        return undefined;
      case marker.APP0:
        if (!this.#says(at, end, 'JFIF\0')) return undefined;
        this.#jfif = true;
        return this.bytes[at + 5] === 1 ? undefined : 'unknown JFIF version';
      case marker.APP1:
        if (!this.#says(at, end, 'Exif\0\0')) return undefined;
        if (this.#exif) return 'EXIF twice';
        this.#exif = true;
        return exifOrientation(this.bytes.subarray(at + 6, end)) === 1 ? undefined : 'EXIF orientation';
      case marker.APP14:
        if (this.#says(at, end, 'Adobe') && end - at >= 12) this.#adobe = this.bytes[at + 11];
        return undefined;
      default:
        if ((kind >= marker.APP0 && kind <= marker.APP15) || kind === marker.COM) return undefined;
        if (kind === 0xc2) return 'progressive';
        return kind > marker.SOF1 && kind <= marker.SOF15 && kind !== marker.JPG ? 'lossless, hierarchical or arithmetic' : damaged;
    }
  }

  #frame(at: number, end: number): string | undefined {
    const { bytes } = this;
    const count = bytes[at + 5];
    if (this.#components.length > 0 || end - at !== 6 + 3 * count) return damaged;
    if (bytes[at] !== 8) return 'more than 8 bits';
    this.#height = this.#word(at + 1);
    this.#width = this.#word(at + 3);
    // a height of 0 is told only after the first scan
    if (this.#height === 0 || this.#width === 0) return damaged;
    if (count !== 1 && count !== 3) return 'neither grey nor YCbCr';
    for (let from = at + 6; from < end; from += 3) {
      this.#components.push({ id: bytes[from], across: bytes[from + 1] >> 4, down: bytes[from + 1] & 15, quantization: bytes[from + 2] });
    }
    return undefined;
  }

  #huffman(at: number, end: number): string | undefined {
    const { bytes } = this;
    for (let from = at; from < end; ) {
      const tables = bytes[from] >> 4 ? this.#acTables : this.#dcTables;
      let symbols = 0;
      for (let i = 1; i <= 16; i++) symbols += bytes[from + i];
      if (bytes[from] >> 4 > 1 || (bytes[from] & 15) > 3 || symbols > 256 || from + 17 + symbols > end) return damaged;
      tables[bytes[from] & 15] = from + 1;
      from += 17 + symbols;
    }
    return undefined;
  }

  #tables(at: number, end: number): string | undefined {
    for (let from = at; from < end; from += 65) {
      if (this.bytes[from] >> 4) return '16-bit quantization';
      if (this.bytes[from] > 3 || from + 65 > end) return damaged;
      this.#quantization[this.bytes[from]] = from + 1;
    }
    return undefined;
  }

  #scan(at: number, end: number): JpegFrame | string {
    const { bytes } = this;
    const components = this.#components;
    const count = components.length;
    if (count === 0 || end - at !== 4 + 2 * bytes[at] || bytes[at] === 0) return damaged;
    if (bytes[at] !== count) return 'several scans';
    const after = at + 1 + 2 * count;
    if (bytes[after] !== 0 || bytes[after + 1] !== 63 || bytes[after + 2] !== 0) return damaged;
    const [first, ...others] = components;
    if (count === 3) {
      const plain = this.#jfif || this.#adobe === 1 || (this.#adobe === undefined && components.every(({ id }, i) => id === i + 1));
      if (!plain) return 'colours other than YCbCr';
    }
    if (components.some(each => each.across < 1 || each.across > 4 || each.down < 1 || each.down > 4)) return damaged;
    const { across, down } = count === 3 ? first : { across: 1, down: 1 };
    const isSampled = (size: number): size is 1 | 2 => size === 1 || size === 2;
    if (!isSampled(across) || !isSampled(down) || others.some(each => each.across !== 1 || each.down !== 1)) return 'uncommon sampling';
    // libjpeg does not interpolate colours so narrow
    if (across === 2 && this.#width <= 4) return 'tiny';
    const tables: JpegComponent[] = [];
    for (const [i, { id, quantization }] of components.entries()) {
      const dc = bytes[at + 2 + 2 * i] >> 4;
      const ac = bytes[at + 2 + 2 * i] & 15;
      if (bytes[at + 1 + 2 * i] !== id) return damaged;
      if (!this.#quantization[quantization] || !this.#dcTables[dc] || !this.#acTables[ac]) return damaged;
      tables.push({ quantization, dc, ac });
    }
    return {
      height: this.#height,
      width: this.#width,
      components: tables,
      across,
      down,
      quantization: this.#quantization,
      dcTables: this.#dcTables,
      acTables: this.#acTables,
      restartInterval: this.#restartInterval,
      data: end,
    };
  }

  #word(at: number): number {
    return (this.bytes[at] << 8) | this.bytes[at + 1];
  }
  #says(at: number, end: number, text: string): boolean {
    if (at + text.length > end) return false;
    for (let i = 0; i < text.length; i++) if (this.bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

const damaged = 'damaged';
