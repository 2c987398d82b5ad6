import type { Events } from '../protocol.ts';
import { byId, element } from './dom.ts';
import { share } from './format.ts';

/** The last batch's pictures, each with its class and the model's guess. */
export function showPictures({ sheet, tile, columns, guesses, step }: Events['pictures'], classes: readonly string[]): void {
  const name = (place: number) => (classes[place] ?? String(place)).split(',')[0]!;
  const figures = guesses.map(({ label, guess, share: sure }, i) => {
    const picture = element('div', { class: 'picture', role: 'img', 'aria-label': `a picture of class ${name(label)} in step ${step}` });
    Object.assign(picture.style, {
      width: `${tile}px`,
      height: `${tile}px`,
      backgroundImage: `url(${sheet})`,
      backgroundPosition: `-${(i % columns) * tile}px -${Math.floor(i / columns) * tile}px`,
    });
    const right = label === guess;
    const mark = element('span', { class: right ? 'right' : 'wrong' }, `${right ? '✓' : '✗'} ${name(guess)} ${share(sure)}`);
    return element('figure', {}, picture, element('figcaption', {}, name(label), element('br'), mark));
  });
  byId('pictures').replaceChildren(...figures);
}
