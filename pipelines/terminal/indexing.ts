import { basename } from 'node:path';
import type { Indexing } from '../../core/index.ts';
import { bar } from './block.ts';
import { color } from './color.ts';
import { fit } from './format.ts';
import type { Output } from './output.ts';

const liveMs = 100;
/** An index that is made sooner is not worth a line in a file. */
const plainMs = 1000;

/** How far the index of an archive is: a live line on a terminal, elsewhere one line for each archive that takes its time. */
export class IndexingProgress {
  readonly #began = new Map<string, number>();
  #shownMs = Number.NEGATIVE_INFINITY;
  readonly #told = new Set<string>();

  constructor(private readonly output: Output) {}

  readonly tell = ({ path, files, bytes, of }: Indexing): void => {
    const now = performance.now();
    const began = this.#began.get(path) ?? now;
    this.#began.set(path, began);
    const share = bytes / of;
    const percent = `${Math.floor(100 * share)} %`;
    const what = `indexing ${basename(path)} (once)`;
    if (!this.output.live) {
      if (this.#told.has(path) || now - began < plainMs) return;
      this.#told.add(path);
      this.output.line(`${what} … ${percent} after ${((now - began) / 1000).toFixed(1)} s`);
      return;
    }
    if (now - this.#shownMs < liveMs) return;
    this.#shownMs = now;
    const parts = [color.bold(what), bar(share, 20), `… ${percent}`, `${files.toLocaleString('en-US')} images`];
    this.output.update(() => fit(parts, this.output.liveColumns));
  };

  /** Takes the line away. */
  end(): void {
    if (this.#began.size > 0) this.output.clear();
  }
}
