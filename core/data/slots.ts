/**
 * Cells of shared memory for the pixels of one sample each, reused. A worker writes its result into the cell that came with
 * the task; if the image is larger than the cell, it allocates a larger one and hands that back in its place. So pixels
 * cross threads without a copy, and there are never more cells than there were samples at work at one time.
 */
export class SlotPool {
  readonly #free: SharedArrayBuffer[] = [];
  #inUse = 0;
  #bytes = 0;
  /** What the last image needed: images of one pipeline are mostly of one size. */
  #expected = 0;
  #closed = false;

  /** Cells that somebody has now. */
  get inUse(): number {
    return this.#inUse;
  }
  /** Shared memory in all cells, free ones included. */
  get bytes(): number {
    return this.#bytes;
  }
  get cells(): number {
    return this.#inUse + this.#free.length;
  }

  take(): Slot {
    let cell = this.#free.pop();
    if (!cell) {
      cell = new SharedArrayBuffer(this.#expected);
      this.#bytes += cell.byteLength;
    }
    this.#inUse++;
    return new Slot(cell, this.#change, this.#give);
  }

  /** Lets the free cells go; those in use follow when they are given back. */
  close(): void {
    this.#closed = true;
    for (const cell of this.#free) this.#bytes -= cell.byteLength;
    this.#free.length = 0;
  }

  readonly #change = (from: SharedArrayBuffer, to: SharedArrayBuffer): void => {
    this.#bytes += to.byteLength - from.byteLength;
    this.#expected = to.byteLength;
  };
  readonly #give = (cell: SharedArrayBuffer, used: number): void => {
    this.#inUse--;
    // One huge image must not leave its memory behind in a pipeline of small ones.
    const oversized = used > 0 && cell.byteLength > 65_536 && used < cell.byteLength / 4;
    if (oversized) this.#expected = used;
    if (this.#closed || oversized) this.#bytes -= cell.byteLength;
    else this.#free.push(cell);
  };
}

/** One cell, taken: given back exactly once. */
export class Slot {
  #cell: SharedArrayBuffer;
  #used = 0;
  #given = false;
  constructor(
    cell: SharedArrayBuffer,
    private readonly change: (from: SharedArrayBuffer, to: SharedArrayBuffer) => void,
    private readonly returned: (cell: SharedArrayBuffer, used: number) => void,
  ) {
    this.#cell = cell;
  }
  get cell(): SharedArrayBuffer {
    return this.#cell;
  }
  /** A view on the first `bytes` of the cell, or of the larger one that the worker allocated. */
  view(bytes: number, larger?: SharedArrayBuffer): Uint8Array {
    if (larger) {
      this.change(this.#cell, larger);
      this.#cell = larger;
    }
    this.#used = bytes;
    return new Uint8Array(this.#cell, 0, bytes);
  }
  give(): void {
    if (this.#given) return;
    this.#given = true;
    this.returned(this.#cell, this.#used);
  }
}
