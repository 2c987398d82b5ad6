import type { Layout, Split } from './layout.ts';
import type { DataSet } from './sample.ts';

/**
 * One way in which a data set lies on a disk, beside the plain ones of `layout.ts`. `openDataSet` asks each in turn; the first
 * that recognises the place opens it.
 */
export interface DataLayout {
  /** For tables and errors: `ImageNet archives`; with `--layout`, `imagenet-archives`. */
  readonly name: string;
  /** What it looks for, in the error for a folder that nobody knows. */
  readonly lookedFor: string;
  /** Plain layouts that the same images also have: no choice between two. */
  readonly covers?: readonly Layout['kind'][];
  /**
   * Looks at names, and at nothing larger than a header. Undefined if the place is laid out otherwise; an error if it is laid
   * out so but something is missing. `dir` may also be a file (an archive, a CSV).
   */
  recognise(dir: string, names: PlaceNames): Promise<OpenSplit | undefined>;
}
/** What lies in a place, sorted, dot files left out. For a file: no names at all. */
export interface PlaceNames {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}
export type OpenSplit = (split: Split, watch: OpenWatch) => Promise<DataSet>;

/** For what takes minutes once: the index of an archive. */
export interface OpenWatch {
  /** Aborting it rejects with its reason; nothing is left on the disk. */
  readonly signal?: AbortSignal;
  /** Told now and then how far it is. */
  readonly indexing?: (state: Indexing) => void;
}
export interface Indexing {
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
  /** Bytes in all. */
  readonly of: number;
}
