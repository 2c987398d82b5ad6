import { fail, show } from '../errors.ts';
import type { Box } from './sample.ts';

/** What `parseBoxes` reads: `[{"label":3,"top":0,"left":12,"bottom":80,"right":64}]`. */
export function boxesText(boxes: readonly Box[]): string {
  return JSON.stringify(boxes.map(({ label, top, left, bottom, right }) => ({ label, top, left, bottom, right })));
}

/** The boxes of a sample in a shard: a list of labels and edges in pixels of the upright picture. Errors name the sample. */
export function parseBoxes(text: string, key: string, classes: number | undefined): readonly Box[] {
  const wrong = (expected: string, got: string) =>
    fail('data', `boxes of ${key}`, expected, got, 'Write the shard again, or leave its .boxes.json files out.');
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw wrong('JSON', (error as Error).message);
  }
  const shape = 'a list of { label, top, left, bottom, right }';
  if (!Array.isArray(content)) throw wrong(shape, show(content).slice(0, 60));
  return content.map((box: Box | null) => {
    const { label, top, left, bottom, right } = box ?? {};
    if (![label, top, left, bottom, right].every(Number.isFinite)) throw wrong(shape, show(box).slice(0, 60));
    if (!Number.isInteger(label) || label! < 0 || (classes !== undefined && label! >= classes)) {
      throw wrong(classes === undefined ? 'labels from 0' : `labels from 0 to ${classes - 1}`, String(label));
    }
    return { label: label!, top: top!, left: left!, bottom: bottom!, right: right! };
  });
}
