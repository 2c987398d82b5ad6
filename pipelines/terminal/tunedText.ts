import type { Tuned } from '../../core/index.ts';
import { figure } from './format.ts';

/** `2 of at most 4 (1: 930/s, 2: 1,780/s, 3: 1,790/s)`: what a pool chose, and the rates of the whole pipeline that it chose by. */
export function tunedText({ workers, most, settled, tried }: Tuned): string {
  const list = tried.map(each => `${each.workers}: ${figure(each.itemsPerSecond)}/s`).join(', ');
  return `${workers} of at most ${most}${list && ` (${list})`}${settled ? '' : ', still trying'}`;
}
