import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { concatMap, lastValueFrom, take, toArray } from 'rxjs';
import { type DataSet, fail, writeAtomically } from '../../../core/index.ts';
import { augment, decode, pixels } from '../../../operators/index.ts';
import { chooseSize, lookAt } from '../../run/chooseImages.ts';
import { openChosen } from '../openTold.ts';
import type { ChosenOptions, DataAction, DataActionContext } from './action.ts';
import { contactSheet, type Tile } from './contactSheet.ts';
import { augmentationsOf, inWords, type PreviewWay, previewWay, previewWays } from './previewWays.ts';

interface PreviewOptions extends ChosenOptions {
  readonly out: string;
  readonly count: number;
  readonly augment: PreviewWay;
}

/** A contact sheet, so that a person can look at what the model will see. */
export const preview: DataAction = {
  name: 'preview',
  describe: 'writes a sheet of images as the model will see them, with labels and boxes (--out, --count, --augment)',
  options: () => [
    new Option('--out <FILE>', 'preview: where the sheet goes, a PNG').default('sheet.png').argParser(text => {
      if (/\.png$/i.test(text)) return text;
      throw new InvalidArgumentError('It must be a name that ends in .png.');
    }),
    new Option('--count <N>', 'preview: images on the sheet').default(16).argParser(text => {
      if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= mostTiles) return Number(text);
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${mostTiles}.`);
    }),
    new Option(
      '--augment <WAY>',
      `preview: as \`train\` crops and flips them, as it brings held-out ones to their size, or untouched: ${previewWays}`,
    )
      .default(previewWay('train'), 'train')
      .argParser(previewWay),
  ],
  run: writePreview,
};

const mostTiles = 400;

async function writePreview({ dir, options, output }: DataActionContext): Promise<number> {
  const { out, count, augment: way, layout, classes, labelsAt, wordnet } = options as unknown as PreviewOptions;
  const split = way.size === 'test' ? 'test' : 'train';
  const data = await openChosen(resolve(dir), { split, layout, classes, labelsAt, wordnet }, output);
  const images = chooseSize(await lookAt(data), undefined, undefined);
  let skipped = 0;
  const tiles = await lastValueFrom(
    data.samples({ order: 'random' }).pipe(
      decode({
        channels: images.channels,
        onError: 'skip',
        bad({ key, reason, warning }) {
          if (!warning) skipped++;
          output.warn(`${warning ? 'damaged' : 'left out'} ${key}: ${reason}`);
        },
      }),
      augment(augmentationsOf(way, images)),
      pixels(),
      // drawn at once: the pixels are valid as long as the sample's place is held
      concatMap(({ label, pixels: { data: values, boxes = [], ...size } }) => [
        {
          ...size,
          data: Uint8Array.from(values),
          title: nameOf(data, label),
          boxes: boxes.map(box => ({ ...box, title: nameOf(data, box.label) })),
        },
      ]),
      take(count),
      toArray(),
    ),
  );
  if (tiles.length === 0) {
    throw fail(
      'data',
      data.description,
      'an image that can be shown',
      `${skipped} that cannot`,
      'The lines above say what is wrong with each.',
    );
  }
  const path = resolve(out);
  const sheet = await contactSheet(tiles satisfies Tile[]);
  await writeAtomically([[path, sheet.png]]);
  const boxes = tiles.reduce((sum, tile) => sum + tile.boxes.length, 0);
  output.line(data.description);
  output.line(`${tiles.length} images${boxes > 0 ? ` with ${boxes} box${boxes === 1 ? '' : 'es'}` : ''}, ${inWords(way)}: ${path}`);
  output.summary({
    out: path,
    images: tiles.length,
    boxes,
    skipped,
    split,
    augment: [way.size, ...way.more].join(','),
    height: sheet.height,
    width: sheet.width,
  });
  return 0;
}

/** The first of a class's names: `tench` of `tench, Tinca tinca`. */
const nameOf = ({ classes, names }: DataSet, label: number): string => (names?.[label] ?? classes[label] ?? String(label)).split(',')[0];
