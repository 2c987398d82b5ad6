import { join } from 'node:path';
import type { DataLayout, OpenWatch, PlaceNames } from '../../core/data/dataLayout.ts';
import { type Devkit, devkitArchive, devkitIn } from '../../core/data/imagenet/devkit.ts';
import { isWnid, namesOf, synsetMappingIn } from '../../core/data/imagenet/synsets.ts';
import { missingOfTruth, validationLabels } from '../../core/data/imagenet/validation.ts';
import type { DataSet } from '../../core/data/sample.ts';
import { fail } from '../../core/errors.ts';
import { fileCount, fileName, type TarIndex } from '../../core/formats/tarIndex.ts';
import { openTarIndex } from '../../core/formats/tarIndexFile.ts';
import { archivedImages } from '../archivedImages.ts';

const trainArchive = 'ILSVRC2012_img_train.tar';
const validationArchive = 'ILSVRC2012_img_val.tar';
const number = (value: number): string => value.toLocaleString('en-US');

/**
 * ImageNet as it is handed out: `ILSVRC2012_img_train.tar` (a tar for each class inside), `ILSVRC2012_img_val.tar` and the
 * development kit, packed or not, whose ground truth the validation images need. Read in place; an index is made once.
 */
export const imagenetArchives: DataLayout = {
  name: 'ImageNet archives',
  lookedFor: `${trainArchive}, ${validationArchive} and ${devkitArchive} (ImageNet's own archives)`,
  async recognise(dir, names) {
    if (!names.files.includes(trainArchive) && !names.files.includes(validationArchive)) return undefined;
    return (split, watch) => (split === 'train' ? openTrain(dir, names, watch) : openValidation(dir, names, watch));
  },
};

function archive(dir: string, { files }: PlaceNames, name: string): string {
  if (files.includes(name)) return join(dir, name);
  throw fail('data', `data folder ${dir}`, name, 'the other archive without it', `Put ${name} beside it.`);
}

/** An archive's index, made if need be. */
const indexOf = (path: string, nested: boolean, { signal, indexing }: OpenWatch, check: (index: TarIndex) => unknown) =>
  openTarIndex(path, { nested, check, ...(signal && { signal }), ...(indexing && { progress: state => indexing({ path, ...state }) }) });

async function openTrain(dir: string, names: PlaceNames, watch: OpenWatch): Promise<DataSet> {
  const path = archive(dir, names, trainArchive);
  const kit = await devkitIn(dir, names);
  // before the index is saved: nothing is to lie beside an archive that is refused
  const check = (index: TarIndex): void => {
    checkGroups(path, index);
    if (kit) checkClasses(path, index.groups, kit);
  };
  const { index, origin } = await indexOf(path, true, watch, check);
  const classes = index.groups;
  return dataSet(path, index, index.groupOf, {
    classes,
    names: namesOf(classes, kit?.classes ?? (await synsetMappingIn(dir, names.files))),
    split: 'train',
    origin,
  });
}

/** An archive for each synset, none of them empty. */
function checkGroups(path: string, { groups, groupOf }: TarIndex): void {
  const odd = groups.find(name => !isWnid(name));
  if (odd !== undefined || groups.length < 2) {
    const got = odd !== undefined ? JSON.stringify(`${odd}.tar`) : groups.length === 1 ? 'one of them' : 'none';
    const exchanged = odd === undefined && groups.length === 0;
    const fix = exchanged
      ? `Give the archive of ILSVRC2012 as it was fetched; if images lie in it, it may have been exchanged with ${validationArchive}.`
      : 'Give the archive of ILSVRC2012 as it was fetched.';
    throw fail('data', path, 'an archive for each synset, such as n01440764.tar', got, fix);
  }
  const filled = new Set(groupOf);
  const empty = groups.find((_, group) => !filled.has(group));
  if (empty === undefined) return;
  throw fail('data', `${path}, archive "${empty}.tar" in it`, 'images of the class', 'nothing in it', 'Fetch the archive again.');
}

async function openValidation(dir: string, names: PlaceNames, watch: OpenWatch): Promise<DataSet> {
  const path = archive(dir, names, validationArchive);
  const kit = await devkitIn(dir, names);
  if (!kit) {
    const fix = 'Put it beside the archive: without its ground truth the validation images have no labels.';
    throw fail('data', `data folder ${dir}`, devkitArchive, 'no development kit', fix);
  }
  const labelsOf = (index: TarIndex): Int32Array => {
    if (fileCount(index) === 0) throw fail('data', path, 'validation images', 'no file in it', 'Fetch the archive again.');
    const images = Array.from({ length: fileCount(index) }, (_, i) => fileName(index, i));
    return validationLabels(path, images, kit.truth, 'the ground truth of the development kit');
  };
  const { index, origin } = await indexOf(path, false, watch, labelsOf);
  return dataSet(path, index, labelsOf(index), {
    classes: kit.classes.ids,
    names: kit.classes.names,
    split: 'test',
    origin,
    warnings: missingOfTruth(fileCount(index), kit.truth.length),
  });
}

/** The archives must be of the kit's classes, or labels of the two splits would mean different things. */
function checkClasses(path: string, classes: readonly string[], { classes: { ids } }: Devkit): void {
  const strange = classes.find(id => !ids.includes(id)) ?? ids.find(id => !classes.includes(id));
  if (strange === undefined) return;
  const got = classes.includes(strange) ? `${strange} besides` : `none for ${strange}`;
  const fix = 'The archive and the development kit are of different years, or the archive is cut off.';
  throw fail('data', path, `an archive for each of the ${ids.length} classes of the development kit`, got, fix);
}

function dataSet(
  path: string,
  index: TarIndex,
  labels: Int32Array | Uint16Array,
  about: { classes: readonly string[]; names: readonly string[]; split: string; origin: string; warnings?: readonly string[] },
): DataSet {
  const { classes, names, split, origin, warnings = [] } = about;
  const counts: number[] = classes.map(() => 0);
  for (const label of labels) counts[label]++;
  return {
    description: `ImageNet archive ${path}, ${split} split: ${number(labels.length)} images, ${classes.length} classes (index ${origin})`,
    classes,
    names,
    warnings: [...warnings, ...unended(path, index)],
    counts,
    size: labels.length,
    indexed: true,
    samples: options => archivedImages(path, index, labels, options),
  };
}

/** What tar itself would pass over in silence. */
function unended(path: string, { unended }: TarIndex): string[] {
  if (unended.length === 0) return [];
  const inside = unended.filter(name => name !== '').map(name => `${name}.tar`);
  const shown = `${inside.slice(0, 3).join(', ')}${inside.length > 3 ? ` and ${inside.length - 3} more` : ''} in it`;
  const which = [...(unended.includes('') ? [path] : []), ...(inside.length > 0 ? [shown] : [])].join(' and ');
  return [`without tar's end mark, perhaps cut off between two files: ${unended.includes('') ? which : `${path}, ${which}`}`];
}
