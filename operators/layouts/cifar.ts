import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataLayout } from '../../core/data/dataLayout.ts';
import type { Split } from '../../core/data/layout.ts';
import { listFolder } from '../../core/data/listing.ts';
import type { DataSet } from '../../core/data/sample.ts';
import { fail } from '../../core/errors.ts';
import { CifarFile, type CifarRecords } from '../../core/formats/cifar.ts';
import { readTar } from '../../core/formats/tar.ts';
import { unreadable } from '../../core/formats/unreadable.ts';
import { cifarImages } from '../cifarImages.ts';

interface Variant {
  readonly name: string;
  readonly folder: string;
  readonly archive: string;
  readonly parts: Readonly<Record<Split, readonly string[]>>;
  readonly names: string;
  readonly classes: number;
  /** In each file, as it was handed out. */
  readonly images: Readonly<Record<Split, number>>;
  readonly records: CifarRecords;
}
const variants: readonly Variant[] = [
  {
    name: 'CIFAR-10',
    folder: 'cifar-10-batches-bin',
    archive: 'cifar-10-binary.tar.gz',
    parts: { train: [1, 2, 3, 4, 5].map(i => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
    names: 'batches.meta.txt',
    classes: 10,
    images: { train: 10_000, test: 10_000 },
    records: { labelBytes: 1, labelAt: 0 },
  },
  {
    name: 'CIFAR-100',
    folder: 'cifar-100-binary',
    archive: 'cifar-100-binary.tar.gz',
    parts: { train: ['train.bin'], test: ['test.bin'] },
    names: 'fine_label_names.txt',
    classes: 100,
    images: { train: 50_000, test: 10_000 },
    // the superclass stands first
    records: { labelBytes: 2, labelAt: 1 },
  },
];
const mostBytes = 2 ** 28;
const number = (value: number): string => value.toLocaleString('en-US');

/**
 * CIFAR-10 and CIFAR-100 in their binary versions: the files themselves, the folder that the archive unpacks to, or the archive
 * as it was fetched, which is unpacked into memory (185 MB). CIFAR-100's classes are the fine ones.
 */
export const cifar: DataLayout = {
  name: 'CIFAR binaries',
  lookedFor:
    'data_batch_*.bin and test_batch.bin, or train.bin and test.bin with fine_label_names.txt, or their .tar.gz (CIFAR-10 and CIFAR-100, binary version)',
  async recognise(dir, names) {
    for (const variant of variants) {
      if (names.folders.includes(variant.folder)) {
        const below = join(dir, variant.folder);
        const inside = await listFolder(below);
        return split => openVariant(variant, split, filesIn(below, inside.files));
      }
      if (belongs(variant, names.files)) return split => openVariant(variant, split, filesIn(dir, names.files));
      if (names.files.includes(variant.archive)) {
        return async split => openVariant(variant, split, await unpacked(join(dir, variant.archive), variant, split));
      }
    }
    return undefined;
  },
};

/** `train.bin` alone may be anybody's. */
function belongs({ parts, names }: Variant, files: readonly string[]): boolean {
  const own = [...parts.train, ...parts.test].filter(name => files.includes(name));
  return own.length > 0 && (files.includes(names) || own.some(name => name.includes('_batch')));
}

/** Where the binaries are. */
interface Place {
  readonly where: string;
  readonly files: readonly string[];
  /** Undefined: on the disk. */
  readonly contents?: ReadonlyMap<string, Uint8Array>;
}
const filesIn = (where: string, files: readonly string[]): Place => ({ where, files });

async function unpacked(archive: string, { parts, names }: Variant, split: Split): Promise<Place> {
  const wanted = new Set([...parts[split], names]);
  const contents = new Map<string, Uint8Array>();
  for await (const entry of readTar(archive)) {
    const name = entry.name.slice(entry.name.lastIndexOf('/') + 1);
    if (wanted.has(name)) contents.set(name, await entry.read(mostBytes));
  }
  return { where: archive, files: [...contents.keys()], contents };
}

async function openVariant(variant: Variant, split: Split, place: Place): Promise<DataSet> {
  const { where, files, contents } = place;
  for (const name of [...variant.parts[split], variant.names]) {
    if (files.includes(name)) continue;
    throw fail('data', where, name, `${variant.name} without it`, `Fetch ${variant.archive} again and unpack all of it.`);
  }
  const classes = await classNames(variant, place);
  const open = () => variant.parts[split].map(name => new CifarFile(join(where, name), variant.records, contents?.get(name)));
  const opened = open();
  const labels = Uint8Array.from(opened.flatMap(file => [...file.labels(classes.length)]));
  const counts: number[] = classes.map(() => 0);
  for (const label of labels) counts[label]++;
  const expected = variant.images[split];
  const odd = opened.filter(({ images }) => images !== expected);
  return {
    description: `${variant.name} ${where}, ${split} split: ${number(labels.length)} images, ${classes.length} classes`,
    classes,
    counts,
    size: labels.length,
    indexed: true,
    warnings: odd.map(({ path, images }) => `${path} has ${number(images)} images, where ${variant.name} has ${number(expected)}`),
    samples: options => cifarImages(open, labels, options),
  };
}

async function classNames({ names, classes }: Variant, { where, contents }: Place): Promise<string[]> {
  const path = join(where, names);
  const bytes =
    contents?.get(names) ??
    (await readFile(path).catch(error => {
      throw unreadable(path, 'the names of the classes', error);
    }));
  const found = Buffer.from(bytes)
    .toString('utf8')
    .split(/\r?\n/)
    .map(name => name.trim())
    .filter(name => name !== '');
  const twice = found.find((name, i) => found.indexOf(name) !== i);
  if (found.length === classes && twice === undefined) return found;
  const got = twice === undefined ? String(found.length) : `${JSON.stringify(twice)} twice`;
  throw fail('data', path, `${classes} class names, one a line`, got, 'Fetch the file again.');
}
