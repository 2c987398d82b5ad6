import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataLayout, PlaceNames } from '../../core/data/dataLayout.ts';
import { devkitArchive, devkitIn } from '../../core/data/imagenet/devkit.ts';
import { isWnid, mappingFile, namesOf, readSynsetMapping, synsetMappingIn } from '../../core/data/imagenet/synsets.ts';
import { validationLabels, validationNumber } from '../../core/data/imagenet/validation.ts';
import { type ImageListing, listFolder, listImages } from '../../core/data/listing.ts';
import type { DataSet } from '../../core/data/sample.ts';
import { fail } from '../../core/errors.ts';
import { unreadable } from '../../core/formats/unreadable.ts';
import { listedImages } from '../imageFolder.ts';

const number = (value: number): string => value.toLocaleString('en-US');
const solutionFile = 'LOC_val_solution.csv';

/** Where Kaggle's archive puts the images, below the folder that holds its lists. */
const kaggleImages = join('ILSVRC', 'Data', 'CLS-LOC');

/**
 * ImageNet unpacked with a flat `val/`: `train/n01440764/*.JPEG` and `val/ILSVRC2012_val_00000001.JPEG`, either with the
 * development kit beside them, or as Kaggle packs it (`ILSVRC/Data/CLS-LOC/{train,val}` with `LOC_synset_mapping.txt` and
 * `LOC_val_solution.csv`). Where `val/` has class folders it is an image folder like any other.
 */
export const flatValidation: DataLayout = {
  name: 'ImageNet folders with a flat val/',
  lookedFor: `train/n…/ and val/ILSVRC2012_val_….JPEG with ${devkitArchive}, or Kaggle's ILSVRC/Data/CLS-LOC with ${solutionFile} (ImageNet unpacked)`,
  async recognise(dir, names) {
    const kaggle = names.folders.includes('ILSVRC') && names.files.includes(mappingFile);
    const images = kaggle ? join(dir, kaggleImages) : dir;
    const { folders } = kaggle ? await listFolder(images) : names;
    if (!folders.includes('train') && !folders.includes('val')) return undefined;
    if (!kaggle && !(folders.includes('val') && (await isFlat(join(images, 'val'))))) return undefined;
    return split => (split === 'train' ? openTrain(dir, images, names) : openValidation(dir, images, names));
  },
};

async function isFlat(dir: string): Promise<boolean> {
  const { folders, files } = await listFolder(dir);
  return folders.length === 0 && files.some(name => validationNumber(name) !== undefined);
}

async function openTrain(dir: string, images: string, names: PlaceNames): Promise<DataSet> {
  const listing = await listImages(join(images, 'train'));
  const odd = listing.classes.find(name => !isWnid(name));
  if (odd !== undefined) {
    const fix = 'Name class folders by synset ids, or give val/ a folder for each class.';
    throw fail('data', `class folder ${join(listing.dir, odd)}`, 'a synset id such as n01440764', odd, fix);
  }
  const synsets = (await synsetMappingIn(dir, names.files)) ?? (await devkitIn(dir, names))?.classes;
  return dataSet(listing, 'train', namesOf(listing.classes, synsets));
}

async function openValidation(dir: string, images: string, names: PlaceNames): Promise<DataSet> {
  const folder = join(images, 'val');
  const { files: all } = await listFolder(folder);
  const files = all.filter(name => validationNumber(name) !== undefined);
  if (files.length === 0) throw fail('data', folder, 'ILSVRC2012_val_….JPEG', `${all.length} other files`, 'Unpack the validation images.');
  if (names.files.includes(solutionFile)) {
    const { ids, names: words } = await readSynsetMapping(join(dir, mappingFile));
    const labels = await solutionLabels(join(dir, solutionFile), folder, files, ids);
    return dataSet({ dir: folder, classes: ids, files, labels }, 'test', words);
  }
  const kit = await devkitIn(dir, names);
  if (!kit) {
    const fix = 'Without a ground truth the images of a flat val/ have no labels: add one, or sort them into class folders.';
    throw fail('data', `data folder ${dir}`, `${devkitArchive} or ${solutionFile}`, 'neither', fix);
  }
  const labels = validationLabels(folder, files, kit.truth, 'the ground truth of the development kit');
  return dataSet({ dir: folder, classes: kit.classes.ids, files, labels }, 'test', kit.classes.names);
}

/** `ImageId,PredictionString`, the class first and then boxes: `ILSVRC2012_val_00000293,n02965783 12 34 56 78`. */
async function solutionLabels(path: string, folder: string, files: readonly string[], ids: readonly string[]): Promise<Int32Array> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw unreadable(path, 'the solution of the validation images', error);
  });
  const places = new Map(ids.map((id, label) => [id, label]));
  const labels = new Map<string, number>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || i === 0) continue;
    const [image, prediction = ''] = line.split(',');
    const label = places.get(prediction.trim().split(/\s+/)[0]);
    if (label === undefined) {
      const fix = 'Fetch the file again, or the mapping that belongs to it.';
      throw fail('data', `${path}, line ${i + 1}`, `a synset of ${mappingFile}`, JSON.stringify(prediction.slice(0, 40)), fix);
    }
    labels.set(image, label);
  }
  return Int32Array.from(files, name => {
    const label = labels.get(name.slice(0, name.lastIndexOf('.')));
    if (label !== undefined) return label;
    throw fail('data', `image ${join(folder, name)}`, `a line in ${solutionFile}`, 'none', 'Fetch the solution file again.');
  });
}

function dataSet(listing: ImageListing, split: string, names: readonly string[]): DataSet {
  const { dir, classes, files, labels } = listing;
  const counts: number[] = classes.map(() => 0);
  for (const label of labels) counts[label]++;
  return {
    description: `ImageNet folder ${dir}, ${split} split: ${number(files.length)} images, ${classes.length} classes`,
    classes,
    names,
    counts,
    size: files.length,
    samples: options => listedImages(listing, options),
  };
}
