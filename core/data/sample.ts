import type { Affine } from './augment/affine.ts';
import type { EraseDraw, Fill } from './augment/erase.ts';
import type { PixelOp } from './augment/pixelOp.ts';
import type { Lease } from './demand.ts';
import type { Mixture } from './mixture.ts';
import type { PipelineState } from './pipelineState.ts';
import type { PixelEdit } from './pixelEdit.ts';

/** Where a sample's picture comes from. Bytes are read in the worker where that is possible. */
export type Picture =
  | { readonly kind: 'file'; readonly path: string }
  /** A file inside an archive. */
  | { readonly kind: 'range'; readonly path: string; readonly offset: number; readonly bytes: number }
  | { readonly kind: 'encoded'; readonly bytes: Uint8Array }
  /** uint8, HWC. */
  | { readonly kind: 'raw'; readonly pixels: Uint8Array; readonly height: number; readonly width: number; readonly channels: number };

/** An object's rectangle. Edges lie between pixels: a box over the whole of a picture is 0, 0, height, width. */
export interface Box {
  readonly label: number;
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/**
 * One labelled picture on its way. A plain object: `map(s => ({ ...s, label: 0 }))` keeps everything.
 * `(seed, epoch, index)` is all that its randomness depends on.
 */
export interface Sample {
  /** For people and errors: the path, or shard and name within it. */
  readonly key: string;
  readonly label: number;
  /** Position in the data set, before any shuffling. */
  readonly index: number;
  readonly epoch: number;
  readonly seed: number;
  /** Place in the order in which the source visits this epoch. With it a sample is a `PipelineState` too, one without counts. */
  readonly position: number;
  /** What `position` counts in. */
  readonly order?: PipelineState['order'];
  /** Set by `shuffle` and `shard`, as in `PipelineState`. */
  readonly buffer?: number;
  readonly turn?: number;
  /** In an epoch that was resumed: where. */
  readonly after?: PipelineState;
  readonly picture: Picture;
  /** Objects in the picture, where the data set knows them; in pixels of the upright picture, before any transform. */
  readonly boxes?: readonly Box[];
  /** Why it cannot be used, where its source knows: what is written about it is wrong. `decode` makes it a bad sample. */
  readonly fault?: string;
  readonly lease: Lease;
  /** Set by `decode`, extended by `augment`. */
  readonly job?: ImageJob;
}

/**
 * The work that turns a picture into pixels. `decode` creates it; each `augment` passes on a job with its transforms added
 * (so branches of a `share` do not disturb each other). It starts when a stage first asks for the pixels, and then runs all
 * its transforms in one worker task: crop and resize happen while decoding, and a sample dropped on the way costs nothing.
 */
export interface ImageJob {
  /** The same picture with more transforms. If this job has started already, they run as a second task on its pixels. */
  with(more: Augmented): ImageJob;
  /** Entries of all augmentation lists passed so far: each one draws from a random stream of its own. */
  readonly entries: number;
  /**
   * Starts the work and calls back once with pixels in shared memory, or with the reason why there are none; at once if it
   * is done already. Hold the sample's lease while asking and for as long as the pixels are used. Whoever sees to `Pixels.edit`
   * himself asks with `edits`: what the device can do is left out then.
   */
  ask(listener: (outcome: Pixels | Bad) => void, options?: { readonly edits: boolean }): void;
  /** `ask` as a promise; never rejects. */
  readonly result: Promise<Pixels | Bad>;
  /** What `normalize` asked for, applied on the device. */
  readonly normalization: Normalization | undefined;
  readonly onError: 'skip' | 'replace' | 'throw';
  /** A bad sample is told to whoever listens (`decode`'s `bad` observer), once. */
  report(bad: Bad): void;
  /** Takes queued work back and gives the slot back. Safe at any time; happens by itself when nobody holds the lease. */
  dispose(): void;
}
/** What one `augment` adds to a job. */
export interface Augmented {
  readonly transforms: readonly Transform[];
  /** Length of its list, including the entries that drew no transform this time. */
  readonly entries: number;
  readonly normalization?: Normalization;
}
export interface Pixels {
  readonly ok: true;
  /** A view on shared memory, uint8 [H,W,C]; valid while the sample's lease is held. */
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The sample's boxes where the transforms have moved them, in pixels of this image; see `decode`'s `minVisible`. */
  readonly boxes?: readonly Box[];
  /** What is still to be done to `data`, for those who asked with `edits`. */
  readonly edit?: PixelEdit;
  /** What is wrong with the picture although it was taken: told to `bad` by whoever delivers it. */
  readonly warning?: string;
}
/** A sample that could not be had, or one that was used although something is wrong with it. */
export interface Bad {
  readonly ok: false;
  readonly key: string;
  readonly stage: string;
  readonly reason: string;
  /** It was used all the same. */
  readonly warning?: true;
  /** No fault of the sample's: ends the stream whatever onError says. */
  readonly fatal?: true;
}

/** One step of augmentation with its random numbers already drawn: plain data that crosses to the worker. */
export type Transform =
  | { readonly kind: 'resize'; readonly height: number; readonly width: number }
  | { readonly kind: 'resizeShortSide'; readonly size: number }
  | { readonly kind: 'centerCrop'; readonly height: number; readonly width: number }
  /** Zero padding first; `u`, `v` in [0,1) choose the place. */
  | {
      readonly kind: 'randomCrop';
      readonly height: number;
      readonly width: number;
      readonly padding: number;
      readonly u: number;
      readonly v: number;
    }
  /** Ten candidates of (area, log ratio, u, v), as torchvision draws them; then the central crop. */
  | {
      readonly kind: 'randomResizedCrop';
      readonly height: number;
      readonly width: number;
      readonly scale: readonly [number, number];
      readonly ratio: readonly [number, number];
      readonly draws: readonly number[];
    }
  /** At a corner of the image, or in its middle; an image that is smaller is a bad sample. */
  | { readonly kind: 'placedCrop'; readonly height: number; readonly width: number; readonly place: Place }
  | { readonly kind: 'horizontalFlip' }
  /** The box lies in the picture that the list of transforms begins with. */
  | { readonly kind: 'cropToBox'; readonly box: Box; readonly margin: number }
  | ({ readonly kind: 'affine' } & Affine)
  | ({ readonly kind: 'erase'; readonly fill: Fill } & EraseDraw)
  | { readonly kind: 'pixels'; readonly ops: readonly PixelOp[] }
  | { readonly kind: 'sequence'; readonly transforms: readonly Transform[] };

export type Place = 'topLeft' | 'topRight' | 'bottomLeft' | 'bottomRight' | 'center';

/** y = (x / 255 - mean[c]) / std[c], applied on the device. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/**
 * Samples ready for the device. The pixels of sample i lie in `cells[i]`, each in shared memory of its own: the copy to
 * the device is the only one.
 */
export interface Batch {
  readonly cells: readonly Uint8Array[];
  readonly labels: Int32Array;
  readonly keys: readonly string[];
  /** Position of each in the data set, before any shuffling. */
  readonly indices: Uint32Array;
  /** Objects in each sample's pixels, where the data set knows any. */
  readonly boxes?: readonly (readonly Box[])[];
  /** Samples in it; less than asked for in a last, partial batch. */
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly epoch: number;
  /** Position within the epoch. */
  readonly index: number;
  /** Where the pipeline stood when the batch was full: a source with `from: state` goes on behind it. */
  readonly state: PipelineState;
  readonly normalization: Normalization | undefined;
  /** Of its first sample: all randomness of the batch depends on these alone, so that a resumed run draws the same. */
  readonly first: { readonly seed: number; readonly epoch: number; readonly index: number };
  /** What the device is to do to each sample's pixels first: ops on single pixels, an erased rectangle; `cells` are those before. `shownPixels` gives what the model sees. */
  readonly edits?: readonly (PixelEdit | undefined)[];
  /** The samples are to be mixed with each other, on the device; `cells` and `labels` are those before. */
  readonly mixture?: Mixture;
  /** Holds the leases and cells of all its samples. */
  readonly lease: SharedLease;
}
/** What batches, passes and steps carry: hold it inside `next` to keep them, release it when done. */
export interface SharedLease {
  readonly demand: import('./demand.ts').Demand;
  hold(): SharedLease;
  release(): void;
}

/** What a source found out about a data set without reading it all. */
export interface DataSet {
  /** For people: `WebDataset, 4 shards`. */
  readonly description: string;
  readonly classes: readonly string[];
  /** What people call the classes, in their order, where that is something else: `tench, Tinca tinca` for `n01440764`. */
  readonly names?: readonly string[];
  /** Images of each class, when known without a scan. */
  readonly counts?: readonly number[];
  /** What a person would want to know about it before using it: annotations of missing images, two layouts in one folder. */
  readonly warnings?: readonly string[];
  /** Number of samples, when known without a scan. */
  readonly size: number | undefined;
  /** Any sample can be reached at no cost: `order: 'random'` and `keep` are honoured. */
  readonly indexed?: boolean;
  /** One cold pass over it in its natural order. */
  samples(options?: SourceOptions): import('rxjs').Observable<Sample>;
}
export interface SourceOptions {
  readonly seed?: number;
  readonly epoch?: number;
  /**
   * Goes on behind this state, in its epoch; others are visited whole. Seed and epoch are the state's unless they are given. Order, filters
   * and shuffle must be those that it was taken with. Nothing that had come out is decoded again; of what was shuffled one buffer is visited again.
   */
  readonly from?: PipelineState;
  /** Most samples that may be inside the pipeline; by default what its stages declare. */
  readonly bound?: number;
  readonly meters?: import('../meter.ts').MeterSet;
  /** Shared between sources (epochs), so that the bound holds across them. */
  readonly demand?: import('./demand.ts').Demand;
  /**
   * 'random' visits the samples in a permutation drawn from (seed, epoch), where a source can reach any sample at no cost
   * (image folders, which are sorted by class otherwise); sources that read front to back ignore it. `index` is the place in
   * the natural order all the same.
   */
  readonly order?: 'natural' | 'random';
  /**
   * By label: false leaves the sample out, where a source knows labels without reading samples; others deliver it all the same.
   * What is drawn for a sample stays as it is, since its `index` does.
   */
  readonly keep?: (label: number) => boolean;
  /** False leaves files with boxes unread: for a pipeline that has no use for them. */
  readonly boxes?: boolean;
}
