/**
 * What a profile says: numbers of a span of time, plain data (JSON in, JSON out). Items are samples everywhere: a batch of 32
 * counts 32. Durations are milliseconds. Stages stand in the order in which they first saw an item.
 *
 * In every stage, at every snapshot from the start: `itemsIn = itemsOut + dropped + depth` (conservation), and
 * `meanDepth × elapsedMs = latency.count × latency.meanMs + heldMs` (Little's law with what is still inside).
 */

/**
 * What a stage works with. Stages of one place share its servers: the one main thread, the worker threads of one pool, the one
 * device. `alone`: nobody else waits for what it uses (a source that reads, a stage of the user's that waits for something).
 */
export type Place = 'main' | 'workers' | 'device' | 'alone';

/** Durations as a fixed number of buckets saw them: percentiles are right to about 5 %. All NaN if there were none. */
export interface Durations {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Mean depth of a queue in equal spans of time; the spans grow with the run, so that there are never more than 256. */
export interface DepthOverTime {
  /** When the first span began, in milliseconds of `performance.now()`. */
  readonly fromMs: number;
  readonly everyMs: number;
  /** The last span may be shorter than the others. */
  readonly means: readonly number[];
}

export interface StageSnapshot {
  readonly name: string;
  readonly runs: Place;
  /** How many of its items can be worked on at once: worker threads, else mostly 1. */
  readonly parallel: number;
  readonly elapsedMs: number;

  readonly itemsIn: number;
  readonly itemsOut: number;
  /** Came in and will never go out: bad samples, what a filter left out, what was inside when the subscriber left. */
  readonly dropped: number;
  /** Of these, what was inside when the subscriber left or the pipeline failed: nothing was wrong with it. */
  readonly returned: number;
  readonly inPerSecond: number;
  readonly itemsPerSecond: number;
  /** What the stage could do if nothing else held it up, and no other stage used what it works with. Infinite without measurable work. */
  readonly capacityPerSecond: number;

  /** Work where it runs, summed over `parallel`. Of the device's stages: from the start of their part of a step to its end. */
  readonly busyMs: number;
  /** Of what its servers had, 0..1. */
  readonly busyShare: number;
  /** Its work on the main thread; the same as `busyMs` if it runs there. */
  readonly mainMs: number;
  /** Main thread in operators right behind this stage that are no stages: a `map` of the user's. */
  readonly behindMs: number;
  /** Kernels of the device at work for it; 0 elsewhere. */
  readonly deviceMs: number;

  /** Its servers had nothing to work on, summed over `parallel`. */
  readonly waitUpstreamMs: number;
  /** Its servers stood still because nobody took what was done. */
  readonly waitDownstreamMs: number;

  /** Items inside now, on average, at most, and what it may keep at most. */
  readonly depth: number;
  readonly meanDepth: number;
  readonly peakDepth: number;
  readonly bound: number | undefined;
  readonly depthOverTime: DepthOverTime;
  /** Time spent so far by those inside now, summed. */
  readonly heldMs: number;
  /** From coming in to going out (or being dropped), an item. */
  readonly latency: Durations;
  /** What it read or made. */
  readonly bytes: number;
  /** Of stages that worker threads run. */
  readonly workers?: WorkersSnapshot;
  /** How many items went which way, where there are several: what decoded them. */
  readonly ways?: Readonly<Record<string, number>>;
}

export interface WorkersSnapshot {
  /** From the task's being queued until a worker began it, and how long the worker had it. */
  readonly wait: Durations;
  readonly run: Durations;
  readonly each: readonly { readonly worker: number; readonly tasks: number; readonly busyMs: number; readonly busyShare: number }[];
}

/** Copies between host and device. */
export interface TransferSnapshot {
  readonly count: number;
  readonly bytes: number;
  /** Uploads: the host's time. Read-backs: from asking to the answer, which waits for what the device had to do before. */
  readonly took: Durations;
}

export interface DeviceSnapshot {
  readonly kind: string;
  readonly description: string;
  /** Compute threads, where they share the machine's cores with everything else. */
  readonly threads: number | undefined;
  readonly elapsedMs: number;
  /** Kernels at work, in the parts of training steps or, where nothing is trained, of evaluation. */
  readonly busyMs: number;
  readonly busyShare: number;
  /** forward, loss, backward, update (or evaluation forward, evaluation loss): segments as they ran. */
  readonly parts: readonly { readonly part: string; readonly busyMs: number; readonly took: Durations }[];
  /** Nothing at work: before a step's first segment, and between those of one step. */
  readonly betweenSteps: Durations;
  readonly withinSteps: Durations;
  readonly upload: TransferSnapshot;
  readonly readBack: TransferSnapshot;
  /** Undefined until the model's plans have been placed. */
  readonly memory: DeviceMemory | undefined;
}
/** Bytes by kind of tensor. */
export interface DeviceMemory {
  readonly weights: number;
  readonly optimizer: number;
  readonly gradients: number;
  /** Activations and their gradients share memory, placed by liveness. */
  readonly activations: number;
  /** Pixels, labels, what the host writes and reads. */
  readonly inputs: number;
  readonly scratch: number;
  readonly total: number;
}

export interface MachineSnapshot {
  /** What the process may use. */
  readonly cores: number;
  /** CPU time of all its threads, in cores: 0 to `cores`. */
  readonly busyCores: number;
  /** Of the main thread's time, whatever it did, 0..1. */
  readonly mainThreadShare: number;
}

/** A whole pipeline over a span of time. */
export interface PipelineSnapshot {
  /** Of `performance.now()`, the end of the span. */
  readonly atMs: number;
  /** While anything was inside: a pause by the run's controls, and what other pipelines do meanwhile, does not count. */
  readonly elapsedMs: number;
  /** What the last stage gave out. */
  readonly items: number;
  readonly itemsPerSecond: number;
  /** Batches that `forward` took in, and samples in each on average; 0 without a model. */
  readonly steps: number;
  readonly batch: number;
  readonly stages: readonly StageSnapshot[];
  readonly device: DeviceSnapshot | undefined;
  /** Samples that may be inside, are, and were at most; what each stage declared. */
  readonly places: {
    readonly inside: number;
    readonly peak: number;
    readonly bound: number;
    readonly declared: Readonly<Record<string, number>>;
  };
  /** Cells of shared memory for pixels. */
  readonly slots: { readonly cells: number; readonly inUse: number; readonly bytes: number } | undefined;
  readonly machine: MachineSnapshot;
}

/** What `profile` emits. */
export interface Profile {
  /** From the start. */
  readonly total: PipelineSnapshot;
  /** Without the start of worker threads, compilation and the filling of buffers: since the second batch. What a verdict wants. */
  readonly settled: PipelineSnapshot;
  /** Since the emission before. */
  readonly recent: PipelineSnapshot;
  /** The last one: the pipeline has ended, or failed. */
  readonly final: boolean;
}
