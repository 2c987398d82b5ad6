import { resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { type DataSet, type Hierarchy, MillraceError, openHierarchy, type Synset } from '../../../core/index.ts';
import { color } from '../../terminal/color.ts';
import type { Output } from '../../terminal/output.ts';
import { openTold } from '../openTold.ts';
import type { DataAction, DataActionContext } from './action.ts';

const number = (value: number): string => value.toLocaleString('en-US');

export const tree: DataAction = {
  name: 'tree',
  describe: 'the synsets above the classes as a tree, below TARGET (an id or a word) if given',
  options: () => [
    new Option('--depth <N>', 'tree: levels below the top').argParser(text => {
      if (/^\d+$/.test(text)) return Number(text);
      throw new InvalidArgumentError('It must be a whole number.');
    }),
    wordnetOption(),
  ],
  run: printTree,
};

export const wordnetOption = (): Option =>
  new Option(
    '--wordnet <DIR>',
    "for synsets: where WordNet 3.0's data.noun is (default: the development kit beside the data, else Debian's wordnet-base)",
  );

/** A synset with several parents stands under each, and what is below it under the one that its source names first. */
async function printTree({ dir, target, options, output }: DataActionContext): Promise<number> {
  const folder = resolve(dir);
  const set = await openEither(folder, options.layout as string | undefined, output);
  const { hierarchy, origin } = await openHierarchy(set.classes, {
    dir: folder,
    ...(options.wordnet !== undefined && { wordnet: resolve(String(options.wordnet)) }),
  });
  const tops = target === undefined ? hierarchy.roots : [hierarchy.find(target)];
  const counter = new Counter(set, hierarchy);
  output.line(`${set.description}; synsets of ${origin}`);
  const depth = options.depth === undefined ? Number.POSITIVE_INFINITY : Number(options.depth);
  const synsets = below(
    hierarchy,
    tops.map(({ id }) => id),
  );

  const print = (synset: Synset, parent: string | undefined, level: number, before: string, branch: string, under: string): void => {
    const { id, words, gloss } = synset;
    const children = hierarchy.childrenOf(id);
    const home = parent === undefined ? undefined : synset.parents.find(each => synsets.has(each));
    const elsewhere = home !== parent && children.length > 0 && level < depth;
    const facts = counter.of(id);
    const note = elsewhere ? `, see ${hierarchy.synset(home!).words[0]}` : '';
    output.line(`${before}${branch}${words.join(', ')} ${color.dim(`${id}  ${told(facts, children.length)}${note}`)}`);
    output.event('synset', { id, words, gloss, parent: parent ?? null, level, ...facts, is_class: hierarchy.isClass(id), elsewhere });
    if (elsewhere || level >= depth) return;
    for (const [i, child] of children.entries()) {
      const last = i === children.length - 1;
      print(hierarchy.synset(child), id, level + 1, before + under, last ? '└── ' : '├── ', last ? '    ' : '│   ');
    }
  };
  for (const top of tops) print(top, undefined, 0, '', '', '');

  const classes = new Set(tops.flatMap(({ id }) => hierarchy.classes(id)));
  output.summary({
    folder,
    origin,
    top: tops.map(({ id }) => id),
    synsets: synsets.size,
    classes: classes.size,
    images: counter.images(classes),
    height: Math.max(...tops.map(({ id }) => hierarchy.height(id))),
  });
  return 0;
}

function below(hierarchy: Hierarchy, tops: readonly string[]): ReadonlySet<string> {
  const found = new Set(tops);
  for (const id of found) for (const child of hierarchy.childrenOf(id)) found.add(child);
  return found;
}

/** The training images; the held-out ones where there are no others. */
async function openEither(folder: string, layout: string | undefined, output: Output): Promise<DataSet> {
  try {
    return await openTold(folder, { split: 'train', layout }, output);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return openTold(folder, { split: 'test', layout }, output).catch(other => {
      throw other instanceof MillraceError ? error : other;
    });
  }
}

function told({ classes, images }: { classes: number; images: number | null }, children: number): string {
  const pictures = images === null ? '' : `${number(images)} image${images === 1 ? '' : 's'}`;
  if (children === 0) return pictures;
  return `${number(classes)} class${classes === 1 ? '' : 'es'}${pictures && `, ${pictures}`}`;
}

/** Classes and images below a synset; one that is reached on two ways counts once. */
class Counter {
  readonly #labels: ReadonlyMap<string, number>;
  constructor(
    private readonly set: DataSet,
    private readonly hierarchy: Hierarchy,
  ) {
    this.#labels = new Map(set.classes.map((id, label) => [id, label]));
  }
  of(id: string): { classes: number; images: number | null } {
    const classes = this.hierarchy.classes(id);
    return { classes: classes.length, images: this.images(classes) };
  }
  images(classes: Iterable<string>): number | null {
    const { counts } = this.set;
    if (!counts) return null;
    let sum = 0;
    for (const id of classes) sum += counts[this.#labels.get(id)!];
    return sum;
  }
}
