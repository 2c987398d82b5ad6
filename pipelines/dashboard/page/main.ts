import type { EventName, Events } from '../protocol.ts';
import { StepHistory } from '../stepHistory.ts';
import { drawConfusion } from './confusion.ts';
import { showControl, showScheduledRate, steer } from './controls.ts';
import { drawCurves } from './curves.ts';
import { byId, element, setText } from './dom.ts';
import { duration, figure, share } from './format.ts';
import { showMemory } from './memory.ts';
import { showPictures } from './pictures.ts';
import { showStages } from './stages.ts';
import { drawStepTime } from './stepTime.ts';
import { chooseLayers, showWeights } from './weights.ts';

/** Curves are drawn at most this often. */
const drawMs = 500;
/** Lines of the log that are kept. */
const mostLines = 200;

let run: Events['run'] | undefined;
let control: Events['control'] | undefined;
let end: Events['end'] | undefined;
let connected = false;
let steps = new StepHistory();
let epochs: Events['epoch'][] = [];
let lastStep: Events['steps'][number] | undefined;
let secondsPerStep = Number.NaN;
let look: Events['look'] | undefined;
let drawing = false;

const handlers: { readonly [Name in EventName]: (data: Events[Name]) => void } = {
  run(facts) {
    // another run has taken the port: begin anew
    if (run && (run.run !== facts.run || run.started !== facts.started)) location.reload();
    run = facts;
    end = undefined;
    document.title = `${facts.model} · Millrace`;
    setText(byId('title'), `${facts.model} on ${facts.device}`);
    setText(byId('about'), `${facts.data}; batch ${facts.batch}; ${facts.run}`);
    showState();
  },
  history(history) {
    steps = StepHistory.from(history.steps);
    epochs = [...history.epochs];
    const { epoch, step } = history.steps;
    const happened = [
      ...epochs.map(each => ({ step: step[epoch.lastIndexOf(each.epoch)] ?? 0, text: ofEpoch(each) })),
      ...history.controls.map(applied => ({ step: applied.step, text: ofControl(applied) })),
    ];
    const texts = [...history.warnings, ...happened.sort((a, b) => a.step - b.step)].map(({ text }) => text);
    byId('log').replaceChildren(...texts.slice(-mostLines).map(text => element('li', {}, text)));
    drawSoon();
  },
  steps(added) {
    for (const step of added) {
      steps.add(step);
      secondsPerStep = Number.isNaN(secondsPerStep) ? step.seconds : secondsPerStep + 0.05 * (step.seconds - secondsPerStep);
    }
    lastStep = added.at(-1);
    if (lastStep) showScheduledRate(lastStep.lr);
    if (end) {
      end = undefined;
      showState();
    }
    drawSoon();
  },
  epoch(evaluation) {
    epochs = [...epochs.filter(({ epoch }) => epoch < evaluation.epoch), evaluation];
    log(ofEpoch(evaluation));
    drawSoon();
  },
  look(data) {
    look = data;
    showStages(data);
    showMemory(data);
    drawStepTime(data, lastStep?.step ?? 0);
  },
  pictures: pictures => showPictures(pictures, run?.classes ?? []),
  confusion: drawConfusion,
  weights: showWeights,
  control(now) {
    control = now;
    showState();
  },
  applied: applied => log(ofControl(applied)),
  warning: ({ text }) => log(text),
  end(how) {
    end = how;
    log(`${how.outcome}: ${how.text}`);
    showState();
  },
};

const ofEpoch = ({ epoch, top1, top5, loss }: Events['epoch']): string =>
  `epoch ${epoch + 1}: held-out top-1 ${share(top1)}, top-5 ${share(top5)}, loss ${figure(loss)}`;
const ofControl = ({ step, action }: Events['applied']): string =>
  `after step ${step}: ${action.control === 'lr' ? `learning rate ${action.lr === null ? 'back to its schedule' : figure(action.lr)}` : action.control}`;

function showState(): void {
  const status = byId('status');
  const [state, text] = end
    ? ([end.outcome, end.outcome === 'unknown' ? end.text : `${end.outcome}, ${end.text}`] as const)
    : !connected
      ? (['lost', 'no connection: the run has ended, or its process is gone'] as const)
      : control?.paused
        ? (['paused', 'paused'] as const)
        : control?.stopping
          ? (['paused', 'stopping'] as const)
          : (['running', run?.live === false ? 'from its folder' : 'running'] as const);
  status.dataset.state = state;
  setText(status, text);
  showControl(control, run?.live === true && connected && !end);
}

function drawSoon(): void {
  if (drawing) return;
  drawing = true;
  setTimeout(() => {
    drawing = false;
    const columns = steps.columns();
    drawCurves(columns, epochs);
    showFigures();
  }, drawMs);
}

function showFigures(): void {
  const columns = steps.columns();
  const step = columns.step.at(-1);
  const total = run?.total_steps;
  const heldOut = epochs.at(-1);
  const last = (values: readonly number[]) => {
    const some = values.slice(-20);
    return some.reduce((a, b) => a + b, 0) / some.length;
  };
  const rate = columns.images.slice(-20).reduce((a, b) => a + b, 0) / columns.seconds.slice(-20).reduce((a, b) => a + b, 0);
  const figures: [string, string][] = [
    [
      'step',
      step === undefined
        ? '–'
        : total
          ? `${step.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`
          : step.toLocaleString('en-US'),
    ],
    ['epoch', columns.epoch.length > 0 ? `${columns.epoch.at(-1)! + 1} of ${run?.epochs ?? '?'}` : '–'],
    ['loss', figure(last(columns.loss))],
    ['top-1 in training', share(last(columns.top1))],
    ['held-out top-1', share(heldOut?.top1)],
    ['images/s', figure(rate)],
    ['time left', end || step === undefined || !total ? '–' : duration((total - step) * secondsPerStep)],
    ['device busy', share(look?.look.device?.busyShare)],
  ];
  const list = byId('figures');
  if (list.children.length !== figures.length) {
    list.replaceChildren(...figures.map(([name]) => element('div', {}, element('dt', {}, name), element('dd'))));
  }
  for (const [i, [, value]] of figures.entries()) setText(list.children[i]!.querySelector('dd')!, value);
}

function log(text: string): void {
  const list = byId('log');
  list.append(element('li', {}, text));
  while (list.children.length > mostLines) list.firstElementChild!.remove();
  list.scrollTop = list.scrollHeight;
}

steer(log);
chooseLayers();
// reconnects by itself
const source = new EventSource('/events');
for (const [name, handler] of Object.entries(handlers)) {
  source.addEventListener(name, event => (handler as (data: unknown) => void)(JSON.parse((event as MessageEvent<string>).data)));
}
source.onopen = () => {
  connected = true;
  showState();
};
source.onerror = () => {
  connected = false;
  showState();
};
