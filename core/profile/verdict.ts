/** Something that a user can change, for `predict`. */
export type Change =
  | { readonly kind: 'workers'; readonly workers: number }
  | { readonly kind: 'batch'; readonly batch: number }
  | { readonly kind: 'prefetch'; readonly batches: number }
  /** A stage that takes `times` less for an item: a faster disk, fewer transforms, a faster kernel. */
  | { readonly kind: 'faster'; readonly stage: string; readonly times: number };

export interface Prediction {
  readonly change: Change;
  /** False: the measurements do not tell; `sentence` says what is missing. */
  readonly known: boolean;
  /** Undefined if not known. */
  readonly itemsPerSecond: number | undefined;
  /** Times as fast as now; 1 where the change does not help. */
  readonly gain: number | undefined;
  /** What limits then. */
  readonly then: string | undefined;
  /** `4 workers would give about 650 images/s, then backward limits`. */
  readonly sentence: string;
}

/** Which stage limits, why that is known, and what to do. */
export interface Verdict {
  /**
   * Name of a stage; `batch` also where a step's fixed cost outweighs its samples; `consumer` if whatever takes the results is the
   * slowest. Undefined if nothing was measured yet.
   */
  readonly limits: string | undefined;
  /** `decode limits: 412 images/s against 655 of backward`. */
  readonly headline: string;
  /** `2 workers are 98 % busy`, each a clause. */
  readonly evidence: readonly string[];
  /** What would help, the most useful first; empty where nothing is known that would. */
  readonly changes: readonly Prediction[];
  /** All of it as one paragraph. */
  readonly text: string;
}
