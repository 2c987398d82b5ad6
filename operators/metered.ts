import { Observable, type OperatorFunction, type Subscriber } from 'rxjs';
import type { Lease } from '../core/data/demand.ts';
import { fail, show } from '../core/errors.ts';
import type { Meter, MeterSet } from '../core/meter.ts';
import { traceStage } from '../core/profile/trace.ts';
import { charged, handOn } from './charged.ts';
import { through } from './through.ts';

export interface MeteredOptions {
  /** How many items it works on at once, if it waits for something: `mergeMap(load, 4)` has 4. By default 1. */
  readonly parallel?: number;
  /** Where values carry none: those of the pipeline that it is a part of. */
  readonly meters?: MeterSet;
}

/** Makes a stage of any operator, or of several: it appears in the table of stages and in profiles under its name.
 *      in:  --a--b--c--|
 *   metered('sharpen', map(sharpen))
 *     out:  --A--B--C--|         as without it
 *  Counts a sample as 1 and a batch as its number of samples. What the operator does inside `next` is work of the main thread;
 *  if items come out only later, it is at work while it has any. An item that neither comes out nor is held by its lease was dropped.
 *  Shapes, order: the operator's.  Holds: what the operator holds.  Owns: nothing.
 *  Samples and batches bring the meters of their pipeline along; give `meters` where something else flows. */
export function metered<T, R>(name: string, operator: OperatorFunction<T, R>, options: MeteredOptions = {}): OperatorFunction<T, R> {
  const { parallel = 1 } = options;
  if (!Number.isInteger(parallel) || parallel < 1)
    throw fail('usage', `metered("${name}")`, 'parallel to be a whole number, 1 or more', show(parallel), 'Change the number.');
  return source =>
    new Observable<R>(subscriber => {
      let set = options.meters;
      let meter: Meter | undefined = set?.stage(name);
      const inside = new Ages();
      /** While an item is on its way in: what came out meanwhile. */
      let out: number | undefined;
      /** Taken for dropped; an operator that kept them without holding their leases (`delay`) may yet bring them out. */
      let gone = 0;

      const enter = (value: T, into: Subscriber<T>) => {
        set ??= metersOf(value, `metered("${name}")`);
        meter ??= set.stage(name);
        meter.parallel = parallel;
        const count = countOf(value);
        const lease = leaseOf(value);
        const holders = lease?.holders;
        inside.add(count, meter.enter(count));
        out = 0;
        charged(meter, () => into.next(value));
        const [own, left] = [meter, out];
        out = undefined;
        if (left > 0) return;
        if (lease?.holders === holders && lease) {
          gone += count;
          inside.newest(count, (n, ms) => own.drop(n, ms));
        } else own.worksByDepth();
      };
      const leave = (value: R) => {
        const own = meter;
        if (!own) {
          subscriber.next(value);
          return;
        }
        const count = countOf(value);
        const missing = Math.max(0, count - inside.count);
        const back = Math.min(missing, gone);
        gone -= back;
        own.dropped -= back;
        own.itemsOut += back;
        // more came out than went in
        if (missing > back) inside.add(missing - back, own.enter(missing - back));
        let since: number | undefined;
        const left = (n: number, ms: number) => {
          since ??= ms;
          own.leave(n, ms);
        };
        // foreign operators do not say which one it is
        if (out === undefined) inside.oldest(count - back, left);
        else {
          out += count;
          inside.newest(count - back, left);
        }
        if (set?.trace && since !== undefined) traceStage(set, name, value, since);
        handOn(own, subscriber, value);
      };

      subscriber.add(() => inside.oldest(inside.count, (n, ms) => meter!.giveBack(n, ms)));
      const entered = new Observable<T>(into => through(source, into, { next: value => enter(value, into) }));
      through(operator(entered), subscriber, { next: leave });
    });
}

/** Times of entry in their order, as runs of items that came together. */
class Ages {
  count = 0;
  readonly #runs: { n: number; readonly ms: number }[] = [];
  add(n: number, ms: number): void {
    this.#runs.push({ n, ms });
    this.count += n;
  }
  oldest(n: number, each: (n: number, ms: number) => void): void {
    this.#take(n, 0, each);
  }
  newest(n: number, each: (n: number, ms: number) => void): void {
    this.#take(n, -1, each);
  }
  #take(n: number, at: 0 | -1, each: (n: number, ms: number) => void): void {
    for (let left = Math.min(n, this.count); left > 0; ) {
      const run = this.#runs.at(at)!;
      const taken = Math.min(left, run.n);
      run.n -= taken;
      left -= taken;
      this.count -= taken;
      if (run.n === 0) {
        if (at === 0) this.#runs.shift();
        else this.#runs.pop();
      }
      each(taken, run.ms);
    }
  }
}

export function metersOf(value: unknown, where: string): MeterSet {
  const { lease } = Object(value) as { lease?: { demand?: { meters?: MeterSet } } };
  const meters = lease?.demand?.meters;
  if (!meters)
    throw fail(
      'state',
      where,
      'samples or batches, which carry meters',
      'a value without a lease',
      'Pass { meters }, or put it before the stage that unpacks batches.',
    );
  return meters;
}

/** Samples in it. */
export function countOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  const { count } = Object(value) as { count?: unknown };
  return typeof count === 'number' ? count : 1;
}

function leaseOf(value: unknown): Pick<Lease, 'holders'> | undefined {
  const { lease } = Object(value) as { lease?: { holders?: unknown } };
  return typeof lease?.holders === 'number' ? (lease as Pick<Lease, 'holders'>) : undefined;
}
