import type { Events } from '../protocol.ts';
import { byId, setText } from './dom.ts';
import { figure } from './format.ts';

/** Only the address that the terminal printed has it. */
const token = new URLSearchParams(location.hash.slice(1)).get('token');
let state: Events['control'] | undefined;
let scheduled = Number.NaN;

/** Buttons and slider that steer the run, for whoever has the token. `tell` shows what came of it. */
export function steer(tell: (text: string) => void): void {
  const act = async (action: object) => {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` };
    try {
      const response = await fetch('/control', { method: 'POST', headers, body: JSON.stringify(action) });
      const answer = (await response.json()) as { error?: string };
      if (!response.ok) tell(answer.error ?? `the run answered ${response.status}`);
    } catch {
      tell('The run does not answer.');
    }
  };
  byId('pause').addEventListener('click', () => void act({ control: state?.paused ? 'resume' : 'pause' }));
  byId('lr-schedule').addEventListener('click', () => void act({ control: 'lr', lr: null }));
  byId('stop').addEventListener('click', () => {
    if (confirm('Stop the run after this step? A checkpoint is written; --resume goes on with it.')) void act({ control: 'stop' });
  });
  const slider = byId<HTMLInputElement>('lr-slider');
  slider.addEventListener('input', () => tellRate(slider, rateOf(slider)));
  slider.addEventListener('change', () => void act({ control: 'lr', lr: rateOf(slider) }));
}

/** The slider is logarithmic: from 1e-6 to 10. */
const rateOf = (slider: HTMLInputElement): number => Number((10 ** Number(slider.value)).toPrecision(3));

export function showControl(control: Events['control'] | undefined, live: boolean): void {
  state = control;
  byId('controls').hidden = token === null || !live || control === undefined || control.stopping;
  if (!control) return;
  setText(byId('pause'), control.paused ? 'Resume' : 'Pause');
  byId<HTMLButtonElement>('lr-schedule').disabled = control.lr === null;
  setText(byId('lr-holds'), control.lr === null ? 'the schedule rules' : 'set by hand');
  if (control.lr !== null) showRate(control.lr);
}

/** The slider goes along with the schedule while nobody holds it. */
export function showScheduledRate(lr: number): void {
  scheduled = lr;
  if (state && state.lr === null && document.activeElement !== byId('lr-slider')) showRate(scheduled);
}

function showRate(lr: number): void {
  const slider = byId<HTMLInputElement>('lr-slider');
  slider.value = String(Math.log10(Math.max(lr, 1e-6)));
  tellRate(slider, lr);
}

function tellRate(slider: HTMLInputElement, lr: number): void {
  slider.setAttribute('aria-valuetext', figure(lr));
  setText(byId('lr-value'), figure(lr));
}
