import { take } from 'rxjs';
import { type DataSet, pictureFacts } from '../../../core/index.ts';
import { bytes as bytesText } from '../../terminal/format.ts';
import { eachSample } from './eachSample.ts';

/** Headers that are read. */
const most = 256;

export interface Spread {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}
/** What the pictures of a data set are like, as far as they were looked at. */
export interface Survey {
  readonly looked_at: number;
  /** Which they are: `all`, `drawn at random`, `the first`. */
  readonly which: string;
  /** Headers that could not be read. */
  readonly unreadable: number;
  readonly file_bytes?: Spread;
  readonly height?: Spread;
  readonly width?: Spread;
}

/** Reads the headers of up to 256 pictures: of all, or drawn at random (the same each time), or the first where only those can be reached. */
export async function survey(set: DataSet): Promise<Survey> {
  const [files, heights, widths] = [new Spreading(), new Spreading(), new Spreading()];
  let [seen, unreadable] = [0, 0];
  // one more than is looked at tells whether there are more
  for await (const { picture } of eachSample(set.samples({ order: 'random', boxes: false }).pipe(take(most + 1)))) {
    if (++seen > most) break;
    const facts = await pictureFacts(picture);
    if (!facts) {
      unreadable++;
      continue;
    }
    files.add(facts.bytes);
    heights.add(facts.height);
    widths.add(facts.width);
  }
  const which = seen <= most ? 'all' : set.indexed ? 'drawn at random' : 'the first';
  const known = files.count > 0 && { file_bytes: files.spread, height: heights.spread, width: widths.spread };
  return { looked_at: Math.min(seen, most), which, unreadable, ...known };
}

/** `files 1.2 to 450 KiB, 110 KiB on average; pictures 75 × 56 to 4,288 × 2,848, 500 × 375 on average (headers of 256 drawn at random)`. */
export function surveyText({ looked_at, which, unreadable, file_bytes, height, width }: Survey): string {
  const headers = which === 'drawn at random' ? `the headers of ${looked_at} ${which}` : `the headers of ${which} ${looked_at}`;
  const lost = unreadable > 0 ? `, of which ${unreadable} cannot be read` : '';
  if (!file_bytes || !height || !width) return `no picture can be read (${headers})`;
  return `${sizesText(file_bytes, height, width)} (${headers}${lost})`;
}

export function sizesText(file: Spread | undefined, height: Spread, width: Spread): string {
  const number = (value: number) => Math.round(value).toLocaleString('en-US');
  const side = (each: keyof Spread) => `${number(width[each])} × ${number(height[each])}`;
  const same = height.min === height.max && width.min === width.max;
  const pictures = same
    ? `pictures of ${side('min')}`
    : `pictures ${number(width.min)} to ${number(width.max)} wide and ${number(height.min)} to ${number(height.max)} high, ${side('mean')} on average`;
  if (!file) return pictures;
  const files =
    file.min === file.max
      ? `files of ${bytesText(file.min)}`
      : `files of ${bytesText(file.min)} to ${bytesText(file.max)}, ${bytesText(file.mean)} on average`;
  return `${files}; ${pictures}`;
}

/** Least, mean and most of what is added. */
export class Spreading {
  count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  add(value: number): void {
    this.count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }
  get spread(): Spread {
    return { min: this.#min, mean: this.#sum / this.count, max: this.#max };
  }
}
