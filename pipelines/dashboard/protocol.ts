/**
 * What the dashboard's server tells the page, as server-sent events: the name of the event, then JSON. A page that connects
 * gets `run`, `history`, `control` and the last of every other kind at once, so it can be opened at any time. Types only: the page is
 * compiled for browsers.
 */
import type { DeviceSnapshot, PipelineSnapshot, StageSnapshot, Step, Verdict } from '../../core/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { ControlAction, ControlState } from '../run/controls.ts';
import type { StepColumns } from './stepHistory.ts';

export interface RunFacts {
  /** Folder of the run. */
  readonly run: string;
  readonly pipeline: string;
  readonly model: string;
  readonly parameters: number | null;
  readonly device: string;
  readonly data: string;
  readonly held_out: string;
  readonly image: readonly number[];
  readonly classes: readonly string[];
  readonly batch: number;
  readonly epochs: number;
  readonly total_steps: number | null;
  readonly steps_per_epoch: number | null;
  /** ISO 8601. */
  readonly started: string;
  /** As resolved, for people. */
  readonly options: Readonly<Record<string, unknown>>;
  /** False for a run that is only read from its folder: nothing can be steered. */
  readonly live: boolean;
}

export interface Guess {
  readonly label: number;
  readonly guess: number;
  /** Softmax of the best class, 0..1. */
  readonly share: number;
}
/** Some pictures of a training batch as the model saw them, one beside the other on one sheet. */
export interface Pictures {
  readonly step: number;
  /** Data URL of the sheet; its tiles are squares of `tile` pixels in rows of `columns`. */
  readonly sheet: string;
  readonly tile: number;
  readonly columns: number;
  readonly guesses: readonly Guess[];
}

/** Of the held-out images after an epoch: row = label, column = guess. */
export interface Confusion {
  readonly epoch: number;
  readonly classes: readonly string[];
  /** Places of `classes` in the run's; with many classes, only those with the most mistakes. */
  readonly places: readonly number[];
  readonly counts: readonly (readonly number[])[];
  readonly images: number;
  readonly left_out: number;
}

/** Values between `low` and `high` in equal bins; what is not finite is counted apart. */
export interface Histogram {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
  readonly not_finite: number;
  readonly mean: number;
  readonly std: number;
}
export interface LayerValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly weights: Histogram;
  readonly gradients: Histogram | null;
}
export interface Weights {
  readonly step: number;
  readonly layers: readonly LayerValues[];
  /** Filters of the first convolution as pictures, one sheet, each stretched to the whole range. */
  readonly filters: {
    readonly name: string;
    readonly sheet: string;
    readonly tile: number;
    readonly columns: number;
    readonly count: number;
  } | null;
}

/** What was measured since the look before: of a snapshot no more than is shown, since a page gets one every second. */
export interface Look extends Pick<PipelineSnapshot, 'elapsedMs' | 'steps' | 'machine' | 'places' | 'slots'> {
  readonly stages: readonly Pick<
    StageSnapshot,
    'name' | 'itemsPerSecond' | 'capacityPerSecond' | 'busyShare' | 'depth' | 'peakDepth' | 'bound'
  >[];
  readonly device:
    | (Pick<DeviceSnapshot, 'description' | 'busyShare' | 'memory'> & {
        readonly parts: readonly Pick<DeviceSnapshot['parts'][number], 'part' | 'busyMs'>[];
      })
    | undefined;
}

export interface Memory {
  readonly rss: number;
  readonly device: number;
}

export interface AppliedControl {
  /** The last step that was done when it took effect. */
  readonly step: number;
  readonly action: ControlAction;
}

export interface Warning {
  readonly text: string;
}
export interface End {
  readonly outcome: 'done' | 'interrupted' | 'failed' | 'unknown';
  readonly text: string;
}

export interface Events {
  readonly run: RunFacts;
  readonly history: {
    readonly steps: StepColumns;
    readonly epochs: readonly EpochEvaluation[];
    readonly controls: readonly AppliedControl[];
    readonly warnings: readonly Warning[];
  };
  readonly steps: readonly Step[];
  readonly epoch: EpochEvaluation;
  readonly look: { readonly look: Look; readonly verdict: Pick<Verdict, 'limits' | 'text'>; readonly memory: Memory };
  readonly pictures: Pictures;
  readonly confusion: Confusion;
  readonly weights: Weights;
  readonly control: ControlState;
  readonly applied: AppliedControl;
  readonly warning: Warning;
  readonly end: End;
}
export type EventName = keyof Events;
export type DashboardEvent = { [Name in EventName]: { readonly event: Name; readonly data: Events[Name] } }[EventName];
