import type { Events } from '../protocol.ts';
import { byId, element } from './dom.ts';
import { share } from './format.ts';

/** Small pictures are enlarged by a whole factor up to so many pixels, so that theirs can be seen. */
const most = 96;

/** The last batch's pictures, each with its class and the model's guess. */
export function showPictures({ sheet, tile, columns, guesses, step }: Events['pictures'], classes: readonly string[]): void {
  const name = (place: number) => (classes[place] ?? String(place)).split(',')[0]!;
  const scale = Math.max(1, Math.floor(most / tile));
  const side = tile * scale;
  const figures = guesses.map(({ label, guess, share: sure }, i) => {
    const picture = element('div', { class: 'picture', role: 'img', 'aria-label': `a picture of class ${name(label)} in step ${step}` });
    Object.assign(picture.style, {
      width: `${side}px`,
      height: `${side}px`,
      backgroundSize: `${columns * side}px auto`,
      backgroundImage: `url(${sheet})`,
      backgroundPosition: `-${(i % columns) * side}px -${Math.floor(i / columns) * side}px`,
    });
    const right = label === guess;
    const mark = element('span', { class: right ? 'right' : 'wrong' }, `${right ? '✓' : '✗'} ${name(guess)} ${share(sure)}`);
    return element('figure', {}, picture, element('figcaption', {}, name(label), element('br'), mark));
  });
  byId('pictures').replaceChildren(...figures);
}
