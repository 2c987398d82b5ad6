/** Runs in the server and in the page: no imports but types. */
import type { Step } from '../../core/index.ts';

/** Steps in columns; a row is one step, or several in a row as one. */
export interface StepColumns {
  /** The last step of each row. */
  readonly step: readonly number[];
  /** How many steps each row stands for. */
  readonly steps: readonly number[];
  /** Means over a row's steps. */
  readonly loss: readonly number[];
  readonly lossMin: readonly number[];
  readonly lossMax: readonly number[];
  readonly top1: readonly number[];
  readonly top5: readonly number[];
  /** Of the row's last step. */
  readonly lr: readonly number[];
  readonly epoch: readonly number[];
  /** Sums over a row's steps. */
  readonly images: readonly number[];
  readonly seconds: readonly number[];
}

type Row = { -readonly [Column in keyof StepColumns]: number };
const columns = ['step', 'steps', 'loss', 'lossMin', 'lossMax', 'top1', 'top5', 'lr', 'epoch', 'images', 'seconds'] as const;

/**
 * All steps of a run within a bounded number of rows: when it is full, neighbours become one. Means stay exact means, sums exact
 * sums, and no peak of the loss gets lost. All rows but the last stand for the same number of steps.
 */
export class StepHistory {
  #rows: Row[] = [];
  #steps = 1;

  constructor(private readonly most = 2000) {}

  static from(history: StepColumns, most?: number): StepHistory {
    const made = new StepHistory(most);
    made.#rows = history.step.map((_, i) => Object.fromEntries(columns.map(column => [column, history[column][i]!])) as Row);
    made.#steps = Math.max(1, ...history.steps);
    return made;
  }

  get length(): number {
    return this.#rows.length;
  }

  add({ step, loss, top1, top5, lr, epoch, images, seconds }: Step): void {
    const row: Row = { step, steps: 1, loss, lossMin: loss, lossMax: loss, top1, top5, lr, epoch, images, seconds };
    const last = this.#rows.at(-1);
    // steps that are repeated after a resume replace what was there
    if (last && step <= last.step) this.#rows = this.#rows.filter(each => each.step < step);
    const open = this.#rows.at(-1);
    if (open && open.steps < this.#steps) this.#rows[this.#rows.length - 1] = joined(open, row);
    else this.#rows.push(row);
    if (this.#rows.length <= this.most) return;
    const halved: Row[] = [];
    for (let i = 0; i < this.#rows.length; i += 2) {
      const [a, b] = [this.#rows[i]!, this.#rows[i + 1]];
      halved.push(b ? joined(a, b) : a);
    }
    this.#rows = halved;
    this.#steps *= 2;
  }

  columns(): StepColumns {
    return Object.fromEntries(columns.map(column => [column, this.#rows.map(row => row[column])])) as unknown as StepColumns;
  }
}

function joined(a: Row, b: Row): Row {
  const steps = a.steps + b.steps;
  const mean = (column: 'loss' | 'top1' | 'top5') => (a[column] * a.steps + b[column] * b.steps) / steps;
  return {
    step: b.step,
    steps,
    loss: mean('loss'),
    lossMin: Math.min(a.lossMin, b.lossMin),
    lossMax: Math.max(a.lossMax, b.lossMax),
    top1: mean('top1'),
    top5: mean('top5'),
    lr: b.lr,
    epoch: b.epoch,
    images: a.images + b.images,
    seconds: a.seconds + b.seconds,
  };
}
