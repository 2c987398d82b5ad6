import type { Events } from '../protocol.ts';
import { byId, element, setText } from './dom.ts';
import { capacity, figure, share } from './format.ts';

/** The pipeline as a row of boxes: what each stage does now, what it could do, how full its queue is, and which one limits. */
export function showStages({ look, verdict }: Events['look']): void {
  const list = byId('stages');
  const { stages } = look;
  const known = new Map([...list.children].map(child => [child.getAttribute('data-stage'), child as HTMLElement]));
  const boxes = stages.map(stage => {
    const box = known.get(stage.name) ?? newBox(stage.name);
    const limits = stage.name === verdict.limits;
    box.dataset.limits = String(limits);
    const set = (part: string, text: string) => setText(box.querySelector(`.${part}`)!, text);
    set('limits', limits ? 'limits' : '');
    set('now', `${figure(stage.itemsPerSecond)}/s`);
    set('could', Number.isFinite(stage.capacityPerSecond ?? Number.NaN) ? `could do ${capacity(stage.capacityPerSecond)}/s` : '');
    const bound = stage.bound ?? Math.max(1, stage.peakDepth);
    gauge(box.querySelector('.busy')!, stage.busyShare, `busy ${share(stage.busyShare)}`);
    gauge(box.querySelector('.queue')!, stage.depth / bound, `holds ${stage.depth} of ${bound}`);
    return box;
  });
  if (boxes.length !== list.children.length || boxes.some((box, i) => list.children[i] !== box)) list.replaceChildren(...boxes);
  setText(byId('verdict'), verdict.text);
}

function newBox(name: string): HTMLElement {
  return element(
    'li',
    { class: 'stage', 'data-stage': name },
    element('strong', {}, name),
    ' ',
    element('span', { class: 'limits' }),
    element('div', { class: 'now' }),
    element('div', { class: 'could quiet' }),
    element('div', { class: 'busy' }, element('span', { class: 'label quiet' }), element('div', { class: 'gauge' }, element('span'))),
    element('div', { class: 'queue' }, element('span', { class: 'label quiet' }), element('div', { class: 'gauge' }, element('span'))),
  );
}

function gauge(place: HTMLElement, filled: number, label: string): void {
  setText(place.querySelector('.label')!, label);
  const width = `${Math.round(100 * Math.min(1, Math.max(0, filled || 0)))}%`;
  (place.querySelector('.gauge > span') as HTMLElement).style.width = width;
}
