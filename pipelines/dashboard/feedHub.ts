import { NEVER, type Subscription, startWith, switchMap } from 'rxjs';
import { type Profile, type Step, verdict } from '../../core/index.ts';
import { snapshots } from '../../operators/index.ts';
import type { EpochEvaluation } from '../definePipeline.ts';
import type { Controls } from '../run/controls.ts';
import type { Prepared } from '../run/prepare.ts';
import type { Listener } from '../run/runPipeline.ts';
import type { Hub } from './hub.ts';
import { LookOn } from './lookOn.ts';
import type { End, RunFacts } from './protocol.ts';

/** Steps go to the pages together. */
const stepsEveryMs = 250;
const profileEveryMs = 1000;

/** Tells a hub everything about a run that goes on in this process. */
export class HubFeed implements Listener {
  #prepared: Prepared | undefined;
  #controls: Controls | undefined;
  #lookOn: LookOn | undefined;
  #steps: Step[] = [];
  #timer: NodeJS.Timeout | undefined;
  #step = 0;
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
    this.#subscriptions.push(
      controls.state$.subscribe(state => this.hub.tell('control', state)),
      controls.applied$.subscribe(action => this.hub.tell('applied', { step: this.#step, action })),
      this.hub.watched$.subscribe(watched => watched && this.#lookOn?.hurry()),
      // nobody looks, nothing is measured
      this.hub.watched$
        .pipe(
          startWith(this.hub.pages > 0),
          switchMap(watched => (watched ? snapshots(prepared.context.meters, { intervalMs: profileEveryMs }) : NEVER)),
        )
        .subscribe(profile => this.#profile(profile)),
    );
    const { meters } = prepared.context;
    this.hub.measure = () => {
      const total = meters.snapshot();
      this.#profile({
        total,
        settled: meters.snapshot(meters.warm),
        recent: this.hub.last('profile')?.profile.recent ?? total,
        final: false,
      });
    };
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

  #profile(profile: Profile): void {
    const device = this.#prepared?.context.device.allocatedBytes ?? 0;
    this.hub.tell('profile', { profile, verdict: verdict(profile.settled), memory: { rss: process.memoryUsage.rss(), device } });
  }

  /** The run is over, however it ended: the pages stay and say so. */
  end(end: End): void {
    this.#flush();
    this.hub.measure?.();
    this.hub.measure = undefined;
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
