import { basename, resolve } from 'node:path';
import { type Box, fail, type Localized, localization, readSolution } from '../../core/index.ts';
import { share } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { eachSample } from './data/eachSample.ts';
import type { EvaluateOptions } from './evaluate.ts';
import { openTold } from './openTold.ts';

const number = (value: number): string => value.toLocaleString('en-US');
/** ILSVRC allows five guesses. */
const mostGuesses = 5;

/** An image with boxes that people drew. */
interface Known {
  readonly key: string;
  readonly label: number;
  readonly truth: readonly Box[];
}

/**
 * Measures guesses with boxes on the held-out images that have boxes: ILSVRC's localisation beside top-1 and top-5 of the guessed classes alone.
 * An image without a guess is one that was got wrong.
 */
export async function localize(path: string, { data, layout, onError, ...other }: EvaluateOptions, output: Output): Promise<number> {
  const fixed = (['classes', 'labelsAt', 'crops', 'scales', 'average', 'batch'] as const).find(name => other[name] !== undefined);
  if (data === undefined || fixed) {
    const got = fixed ? `${fixed === 'labelsAt' ? '--labels-at' : `--${fixed}`} too` : 'none';
    throw fail(
      'usage',
      '--localization',
      'a file of guesses and the data that they are about, --data DIR',
      got,
      'See millrace evaluate --help.',
    );
  }
  const folder = resolve(data);
  const test = await openTold(folder, { split: 'test', layout }, output);
  for (const each of test.warnings ?? []) output.warn(`warning: ${each}`);
  const { images, unboxed, skipped } = await known(test, onError, output);
  if (images.length === 0) {
    const fix = "Boxes come from Kaggle's LOC_val_solution.csv or from PASCAL VOC files in Annotations.";
    throw fail('data', test.description, 'held-out images with boxes', 'none', fix);
  }
  const file = resolve(path);
  const seen = new Set<string>();
  for (const { key } of images) {
    const name = basename(key).replace(/\.[^.]*$/, '');
    if (seen.has(name)) {
      const fix = 'Guesses are told apart by the names of the images without their folders: name them differently.';
      throw fail('data', key, 'held-out images of different names', `${name} twice`, fix);
    }
    seen.add(name);
  }
  const guesses = await readSolution(file, { classes: test.classes, files: images.map(({ key }) => basename(key)) }, 'the data');
  for (const each of guesses.warnings) output.warn(`warning: ${each}`);
  const pictures: (Localized & { readonly label: number })[] = [];
  let missing = 0;
  for (const [place, { key, label, truth }] of images.entries()) {
    // a wrong line is an error whatever becomes of bad images: it would count as a wrong guess
    const own = (await guesses.of(place)) ?? [];
    if (own.length > mostGuesses) {
      const fix = `Leave the ${mostGuesses} surest.`;
      throw fail('data', `${file}, image ${basename(key)}`, `at most ${mostGuesses} guesses`, String(own.length), fix);
    }
    if (own.length === 0) missing++;
    pictures.push({ label, truth, guesses: own });
  }
  const found = localization(pictures);
  const right = (most: number) => pictures.filter(each => each.guesses.slice(0, most).some(({ label }) => label === each.label)).length;
  const [top1, top5] = [right(1) / images.length, right(mostGuesses) / images.length];

  output.line(`held-out      ${test.description} (${folder})`);
  output.line(`guesses       ${file}`);
  if (missing > 0) output.warn(`warning: no guess for ${number(missing)} of the ${number(images.length)} images, which count as wrong`);
  if (unboxed > 0) output.line(`left out      ${number(unboxed)} images without boxes`);
  output.line();
  output.line(`localization  top-1 ${share(found.top1)}  top-5 ${share(found.top5)}  (class right and IoU of 0.5 or more)`);
  output.line(`class alone   top-1 ${share(top1)}  top-5 ${share(top5)}  ${number(images.length)} images`);
  output.summary({ localization1: found.top1, localization5: found.top5, top1, top5, images: images.length, missing, unboxed, skipped });
  return 0;
}

type DataSetOf = Awaited<ReturnType<typeof openTold>>;

/** The held-out images with their classes and boxes; none is decoded. */
async function known(
  test: DataSetOf,
  onError: EvaluateOptions['onError'],
  output: Output,
): Promise<{ readonly images: readonly Known[]; readonly unboxed: number; readonly skipped: number }> {
  const images: Known[] = [];
  let [unboxed, skipped] = [0, 0];
  for await (const { key, label, boxes, fault } of eachSample(test.samples())) {
    if (fault !== undefined) {
      if (onError === 'throw')
        throw fail('data', key, 'an image with a label and boxes', fault, 'Repair it, or leave it out with --on-error skip.');
      skipped++;
      output.event('bad', { key, reason: fault });
      output.warn(`bad sample "${key}": ${fault}`);
    } else if (!boxes || boxes.length === 0) unboxed++;
    else images.push({ key, label, truth: boxes });
  }
  return { images, unboxed, skipped };
}
