import { interval, NEVER, type Subscription, startWith, switchMap } from 'rxjs';
import { type MeterSet, type PipelineReading, type Step, type Verdict, verdict } from '../../core/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { Controls } from '../run/controls.ts';
import type { Prepared } from '../run/prepare.ts';
import type { Listener } from '../run/runPipeline.ts';
import type { Hub } from './hub.ts';
import { lookAt } from './lookAt.ts';
import { LookOn } from './lookOn.ts';
import type { End, Memory, RunFacts } from './protocol.ts';

/** Steps go to the pages together. */
const stepsEveryMs = 250;
const lookEveryMs = 1000;
/** What limits changes slowly. */
const looksAVerdict = 4;

/** Tells a hub everything about a run that goes on in this process. */
export class HubFeed implements Listener {
  #prepared: Prepared | undefined;
  #controls: Controls | undefined;
  #lookOn: LookOn | undefined;
  #steps: Step[] = [];
  #timer: NodeJS.Timeout | undefined;
  #step = 0;
  #before: PipelineReading | undefined;
  #verdict: Verdict | undefined;
  #looks = 0;
  readonly #subscriptions: Subscription[] = [];

  constructor(private readonly hub: Hub) {}

  get controls(): Controls | undefined {
    return this.#controls;
  }

  introduce(): void {}

  begin(prepared: Prepared, controls: Controls): void {
    this.#prepared = prepared;
    this.#controls = controls;
    this.#step = prepared.context.start.step;
    this.hub.tell('run', runFacts(prepared));
    this.#lookOn = new LookOn(this.hub, prepared.context.model, prepared.classes);
    const { meters } = prepared.context;
    this.#subscriptions.push(
      controls.state$.subscribe(state => this.hub.tell('control', state)),
      controls.applied$.subscribe(action => this.hub.tell('applied', { step: this.#step, action })),
      this.hub.watched$.subscribe(watched => watched && this.#lookOn?.hurry()),
      // nobody looks, nothing is measured
      this.hub.watched$
        .pipe(
          startWith(this.hub.pages > 0),
          switchMap(watched => {
            this.#before = undefined;
            this.#looks = 0;
            return watched ? interval(lookEveryMs) : NEVER;
          }),
        )
        .subscribe(() => this.#look(meters)),
    );
    this.hub.totals = () => ({ total: meters.snapshot(), memory: this.#memory() });
  }

  step(step: Step): void {
    this.#step = step.step;
    this.#steps.push(step);
    this.#timer ??= setTimeout(() => this.#flush(), stepsEveryMs);
    this.#lookOn?.step(step.step);
  }

  evaluating(): void {
    this.#lookOn?.evaluating();
  }

  evaluation(evaluation: EpochEvaluation): void {
    this.#flush();
    this.hub.tell('epoch', evaluation);
    this.#lookOn?.evaluation(evaluation.epoch);
  }

  bad({ key, reason, stage }: Parameters<Listener['bad']>[0]): void {
    this.hub.tell('warning', { text: `bad sample "${key}": ${reason} (${stage})` });
  }

  /** At what was done since the look before; at the first one and at the last, at the whole run. */
  #look(meters: MeterSet): void {
    const recent = meters.snapshot(this.#before ?? meters.warm);
    // while a run is paused or evaluated no time passes for its stages: what was last seen stays
    if (recent.elapsedMs < lookEveryMs / 10 && this.hub.last('look')) return;
    this.#before = meters.read();
    if (this.#looks++ % looksAVerdict === 0 || this.#verdict?.limits === undefined) this.#verdict = verdict(meters.snapshot(meters.warm));
    this.hub.tell('look', lookAt(recent, this.#verdict, this.#memory()));
  }

  #memory(): Memory {
    return { rss: process.memoryUsage.rss(), device: this.#prepared?.context.device.allocatedBytes ?? 0 };
  }

  /** The run is over, however it ended: the pages stay and say so. */
  end(end: End): void {
    this.#flush();
    if (this.#prepared) {
      // the device may be gone when this is asked for again
      const totals = this.hub.totals!();
      this.hub.totals = () => totals;
      this.#before = undefined;
      this.#verdict = undefined;
      this.#look(this.#prepared.context.meters);
    }
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#lookOn?.close();
    this.hub.tell('end', end);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#steps.length === 0) return;
    this.hub.tell('steps', this.#steps);
    this.#steps = [];
  }
}

function runFacts({ context, introduction, classes }: Prepared): RunFacts {
  const { options, totalSteps, stepsPerEpoch } = context;
  return {
    run: introduction.run,
    pipeline: introduction.pipeline,
    model: introduction.model,
    parameters: introduction.parameters,
    device: introduction.device,
    data: introduction.data,
    held_out: introduction.held_out,
    image: introduction.image,
    classes: (context.data.train.names ?? classes).slice(),
    batch: options.batch,
    epochs: options.epochs,
    total_steps: totalSteps,
    steps_per_epoch: stepsPerEpoch,
    started: introduction.started,
    options: { ...options },
    live: true,
  };
}
