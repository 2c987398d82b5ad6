import { join } from 'node:path';
import { type Annotations, annotationsFolder, readSolution, type Solution, vocAnnotations } from '../../core/data/annotations.ts';
import type { DataLayout, PlaceNames } from '../../core/data/dataLayout.ts';
import { devkitArchive, devkitIn } from '../../core/data/imagenet/devkit.ts';
import { isWnid, mappingFile, namesOf, readSynsetMapping, type Synsets, synsetMappingIn } from '../../core/data/imagenet/synsets.ts';
import { missingOfTruth, validationLabels, validationNumber } from '../../core/data/imagenet/validation.ts';
import { faultWarnings, type ImageListing, listFolder, listImages } from '../../core/data/listing.ts';
import type { DataSet } from '../../core/data/sample.ts';
import { fail } from '../../core/errors.ts';
import { listedImages } from '../imageFolder.ts';

const number = (value: number): string => value.toLocaleString('en-US');
const trainSolutionFile = 'LOC_train_solution.csv';
const solutionFile = 'LOC_val_solution.csv';

/** Where Kaggle's archive puts the images, below the folder that holds its lists. */
const kaggleImages = join('ILSVRC', 'Data', 'CLS-LOC');

/**
 * ImageNet unpacked with a flat `val/`: `train/n01440764/*.JPEG` and `val/ILSVRC2012_val_00000001.JPEG`, either with the
 * development kit beside them, or as Kaggle packs it (`ILSVRC/Data/CLS-LOC/{train,val}` with `LOC_synset_mapping.txt` and
 * `LOC_val_solution.csv`). Boxes come from Kaggle's `LOC_{train,val}_solution.csv`, else from the XML files of
 * `Annotations/CLS-LOC/{train,val}` (Kaggle) or `Annotations/{train,val}`. Where `val/` has class folders it is an image folder like any other.
 */
export const flatValidation: DataLayout = {
  name: 'ImageNet folders',
  lookedFor: `train/n…/ and val/ILSVRC2012_val_….JPEG with ${devkitArchive}, or Kaggle's ILSVRC/Data/CLS-LOC with ${solutionFile} (ImageNet unpacked)`,
  covers: ['folders'],
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
  const mapping = await synsetMappingIn(dir, names.files);
  const synsets = mapping ?? (await devkitIn(dir, names))?.classes;
  checkClasses(listing, synsets, mapping ? mappingFile : 'the development kit');
  const annotations = names.files.includes(trainSolutionFile)
    ? withFaults(listing, await readSolution(join(dir, trainSolutionFile), listing, 'the class folders'))
    : await vocAnnotations(annotationFolders(dir, 'train'), listing);
  return dataSet(listing, 'train', namesOf(listing.classes, synsets), annotations);
}

/** The folders say what the classes are, so a wrong line costs its image the boxes alone. */
function withFaults({ files }: ImageListing, solution: Solution): Annotations {
  const wrong = faultWarnings(place => files[place], solution.faults, 'with wrong boxes');
  return { ...solution, warnings: [...solution.warnings, ...wrong] };
}

/** Labels count the class folders: with one too many or too few they would not mean what the held-out ones do. */
function checkClasses({ dir, classes }: ImageListing, synsets: Synsets | undefined, named: string): void {
  if (!synsets) return;
  const { ids } = synsets;
  const strange = classes.find(id => !ids.includes(id)) ?? ids.find(id => !classes.includes(id));
  if (strange === undefined) return;
  const got = classes.includes(strange) ? `${strange} besides` : `none for ${strange}`;
  const fix = `Unpack all classes, or fetch ${named} that belongs to these images.`;
  throw fail('data', `folder ${dir}`, `a class folder for each of the ${ids.length} synsets of ${named}`, got, fix);
}

const annotationFolders = (dir: string, split: string): string[] => [
  join(dir, 'ILSVRC', annotationsFolder, 'CLS-LOC', split),
  join(dir, annotationsFolder, 'CLS-LOC', split),
  join(dir, annotationsFolder, split),
];

async function openValidation(dir: string, images: string, names: PlaceNames): Promise<DataSet> {
  const folder = join(images, 'val');
  const { files: all } = await listFolder(folder);
  const files = all.filter(name => validationNumber(name) !== undefined);
  if (files.length === 0) throw fail('data', folder, 'ILSVRC2012_val_….JPEG', `${all.length} other files`, 'Unpack the validation images.');
  if (names.files.includes(solutionFile)) {
    const { ids, names: words } = await readSynsetMapping(join(dir, mappingFile));
    const solution = await readSolution(join(dir, solutionFile), { classes: ids, files }, mappingFile);
    const { labels } = solution;
    const faults = new Map(solution.faults);
    for (const [place, label] of labels.entries()) {
      if (label < 0 && !faults.has(place)) faults.set(place, `${join(dir, solutionFile)} has no line for it`);
    }
    if (faults.size === files.length) {
      throw fail('data', `image ${join(folder, files[0])}`, `a line in ${solutionFile}`, 'none', 'Fetch the solution file again.');
    }
    return dataSet({ dir: folder, classes: ids, files, labels, faults }, 'test', words, solution);
  }
  const kit = await devkitIn(dir, names);
  if (!kit) {
    const fix = 'Without a ground truth the images of a flat val/ have no labels: add one, or sort them into class folders.';
    throw fail('data', `data folder ${dir}`, `${devkitArchive} or ${solutionFile}`, 'neither', fix);
  }
  const labels = validationLabels(folder, files, kit.truth, 'the ground truth of the development kit');
  const warnings = missingOfTruth(files.length, kit.truth.length);
  const listing = { dir: folder, classes: kit.classes.ids, files, labels, warnings };
  return dataSet(listing, 'test', kit.classes.names, await vocAnnotations(annotationFolders(dir, 'val'), listing));
}

function dataSet(listing: ImageListing, split: string, names: readonly string[], annotations: Annotations | undefined): DataSet {
  const { dir, classes, files, labels } = listing;
  const counts: number[] = classes.map(() => 0);
  for (const label of labels) if (label >= 0) counts[label]++;
  return {
    description: `ImageNet folder ${dir}, ${split} split: ${number(files.length)} images, ${classes.length} classes${annotations ? `, ${annotations.note}` : ''}`,
    classes,
    names,
    warnings: [...(listing.warnings ?? []), ...faultWarnings(place => files[place], listing.faults), ...(annotations?.warnings ?? [])],
    counts,
    size: files.length,
    indexed: true,
    samples: options => listedImages(listing, options, annotations),
  };
}
