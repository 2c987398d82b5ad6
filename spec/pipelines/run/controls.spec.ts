import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Subject } from 'rxjs';
import type { PipelineSnapshot } from '../../../core/index.ts';
import { Lock } from '../../../core/training/lock.ts';
import { type ControlAction, Controls } from '../../../pipelines/run/controls.ts';
import { type Listener, runPipeline } from '../../../pipelines/run/runPipeline.ts';
import recipe from '../../../pipelines/train.ts';
import { metricsOf, temporaryFolder, toyData } from '../toy.ts';

/** The fields of metrics that are looked at here. */
type Logged = Record<'step' | 'control' | 'lr' | 'loss' | 'seconds', number> & { readonly event: string; readonly total?: unknown };

describe('Controls', () => {
  const rig = () => {
    const lock = new Lock();
    const lr$ = new Subject<number | undefined>();
    const log: string[] = [];
    lr$.subscribe(rate => log.push(`lr ${rate}`));
    const controls = new Controls({ lock, lr$, stop: () => log.push('stopped') });
    controls.applied$.subscribe(({ control }) => log.push(control));
    return { lock, controls, log };
  };

  it('should pause when the step under way has given the model back, and keep the next from it @smoke', async () => {
    const { lock, controls, log } = rig();
    const endStep = await lock.acquire();
    controls.act({ control: 'pause' });
    const next = lock.acquire();
    await setTimeout(1);
    assert.deepEqual([log, controls.state.paused], [[], false]);
    endStep();
    await setTimeout(1);
    assert.deepEqual([log, controls.state.paused], [['pause'], true]);
    controls.act({ control: 'pause' });
    await setTimeout(20);
    controls.act({ control: 'resume' });
    (await next)();
    assert.deepEqual([log, controls.state.paused], [['pause', 'resume'], false]);
    const paused = controls.takePausedMs();
    assert.ok(paused >= 19, `${paused} ms`);
    assert.equal(controls.takePausedMs(), 0);
  });

  it('should forget a pause that was taken back before it began', async () => {
    const { lock, controls, log } = rig();
    const endStep = await lock.acquire();
    controls.act({ control: 'pause' });
    controls.act({ control: 'resume' });
    endStep();
    (await lock.acquire())();
    assert.equal(controls.state.paused, false);
    assert.deepEqual(log, ['resume']);
  });

  it('should end a pause when the run is to stop, and do nothing from then on', async () => {
    const { lock, controls, log } = rig();
    controls.act({ control: 'pause' });
    await setTimeout(1);
    controls.act({ control: 'stop' });
    (await lock.acquire())();
    controls.act({ control: 'lr', lr: 1 });
    assert.deepEqual(log, ['pause', 'stop', 'stopped']);
    assert.deepEqual(controls.state, { paused: false, lr: null, stopping: true });
  });

  it('should refuse a learning rate that is none', () => {
    const { controls } = rig();
    for (const lr of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(
        () => controls.act({ control: 'lr', lr }),
        /^MillraceError: learning rate: expected a positive number, or null to give it back to its schedule, got .+\. Send a rate such as 0\.01, or null\.$/,
      );
    }
  });
});

describe('a run that is steered', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'));
  });
  after(() => folder.remove());

  const run = async (name: string, script: (step: number, controls: Controls) => ControlAction[] | undefined) => {
    const out = join(folder.path, name);
    const given = { model: 'tiny', device: 'wasm', threads: 1, workers: 1, batch: 8, epochs: 2, data, out };
    let steered!: Controls;
    const nothing = () => undefined;
    const listener: Listener = {
      introduce: nothing,
      evaluating: nothing,
      evaluation: nothing,
      bad: nothing,
      begin(_, controls) {
        steered = controls;
      },
      step({ step }) {
        for (const action of script(step, steered) ?? []) steered.act(action);
      },
    };
    const result = await runPipeline({ pipeline: recipe, given, signal: new AbortController().signal, listener });
    return { result, records: metricsOf<Logged>(out) };
  };
  const steps = (records: { event: string }[]) => records.filter(({ event }) => event === 'step') as unknown as Record<string, number>[];

  it('should take a learning rate at the next step, give it back, and record both', async () => {
    const plain = await run('plain', () => undefined);
    const { records } = await run('lr', step =>
      step === 3 ? [{ control: 'lr', lr: 0.0123 }] : step === 6 ? [{ control: 'lr', lr: null }] : [],
    );
    const rates = steps(records).map(({ lr }) => lr!);
    const scheduled = steps(plain.records).map(({ lr }) => lr!);
    // the pass after the one that was told may be under way
    const set = rates.flatMap((rate, i) => (rate === 0.0123 ? [i + 1] : []));
    assert.ok(set.length === 3 && (set[0] === 4 || set[0] === 5), `steps ${set} of ${rates}`);
    for (const [i, rate] of rates.entries()) if (!set.includes(i + 1)) assert.equal(rate, scheduled[i]);
    const recorded = records.filter(({ event }) => event === 'control');
    assert.deepEqual(
      recorded.map(({ step, control, lr }) => [step, control, lr]),
      [
        [3, 'lr', 0.0123],
        [6, 'lr', null],
      ],
    );
  });

  it('should stand still while paused, leave the pause out of the steps’ time, and come to the same weights', async () => {
    const plain = await run('unpaused', () => undefined);
    let seen = 0;
    let whilePaused: number | undefined;
    const paused = await run('paused', (step, controls) => {
      seen = step;
      if (step !== 4) return;
      void setTimeout(250).then(() => {
        const from = seen;
        void setTimeout(150).then(() => {
          whilePaused = seen - from;
          controls.act({ control: 'resume' });
        });
      });
      return [{ control: 'pause' }];
    });
    assert.equal(whilePaused, 0);
    const losses = (run: typeof plain) => steps(run.records).map(({ loss }) => loss);
    assert.deepEqual(losses(paused), losses(plain));
    for (const { step, seconds } of steps(paused.records)) assert.ok(seconds! < 0.35, `step ${step} took ${seconds} s`);
    // nor do the meters know of it: 400 ms of standing still
    const { total } = paused.records.find(({ event }) => event === 'profile') as { total: PipelineSnapshot };
    const stepsMs = steps(paused.records).reduce((sum, { seconds }) => sum + 1000 * seconds!, 0);
    assert.ok(total.elapsedMs < stepsMs + 350, `${total.elapsedMs} ms of steps of ${stepsMs} ms`);
    assert.ok(total.device!.betweenSteps.maxMs < 350, `${total.device!.betweenSteps.maxMs} ms between steps`);
  });

  it('should stop with a checkpoint, also while it is paused', async () => {
    const { result, records } = await run('stopped', (step, controls) => {
      if (step !== 3) return;
      void setTimeout(100).then(() => controls.act({ control: 'stop' }));
      return [{ control: 'pause' }];
    });
    assert.ok(result.interrupted && result.kept);
    assert.ok(result.steps >= 3 && result.steps <= 5, `${result.steps} steps`);
    assert.deepEqual(
      records.filter(({ event }) => event === 'control').map(({ control }) => control),
      ['pause', 'stop'],
    );
  });
});
