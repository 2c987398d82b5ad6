import { didYouMean } from '../../closest.ts';
import { fail } from '../../errors.ts';
import type { DevkitSynset } from './devkit.ts';
import { isWnid } from './synsets.ts';

/** A meaning and the words for it. */
export interface Synset {
  /** `n02084071`. */
  readonly id: string;
  /** The first is the one to show. */
  readonly words: readonly string[];
  readonly gloss: string;
  /** Ids of what it is a kind of. Most have one. */
  readonly parents: readonly string[];
}
/** A source of synsets: WordNet, or the development kit. */
export type FindSynset = (id: string) => Synset | undefined;

/**
 * The is-a hierarchy above the classes of a data set: the classes and everything that one of them is a kind of, nothing else.
 *
 * It stays the directed graph that WordNet is (a dog is a canine and a domestic animal): a class is below every synset that
 * some path leads to, and counts once there. Only printing makes a tree of it. Heights are those of this graph, whose lowest
 * synsets are classes, as ILSVRC counts them: the length of the longest path down, in edges.
 */
export class Hierarchy {
  readonly #synsets: ReadonlyMap<string, Synset>;
  readonly #children: ReadonlyMap<string, readonly string[]>;
  readonly #classes: ReadonlySet<string>;
  readonly #heights = new Map<string, number>();
  /** With the synset itself, the lowest first. */
  readonly #ancestors = new Map<string, readonly string[]>();

  /** @throws MillraceError of kind 'data' for a class or a parent that the source lacks, and for a synset that is above itself */
  constructor(classes: readonly string[], find: FindSynset) {
    const synsets = new Map<string, Synset>();
    const waiting = classes.map((id): [id: string, why: string] => [id, 'a class of the data']);
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const [id, why] = next;
      if (synsets.has(id)) continue;
      const synset = find(id);
      if (!synset) {
        const fix = 'The hierarchy is of another data set or another WordNet: ImageNet has the ids of WordNet 3.0.';
        throw fail('data', 'hierarchy', `synset ${id}, ${why}`, 'none of that id', fix);
      }
      synsets.set(id, synset);
      for (const parent of synset.parents) waiting.push([parent, `above ${id}`]);
    }
    this.#synsets = new Map([...synsets].sort(([a], [b]) => (a < b ? -1 : 1)));
    const children = new Map<string, string[]>([...this.#synsets.keys()].map(id => [id, []]));
    for (const { id, parents } of this.#synsets.values()) for (const parent of new Set(parents)) children.get(parent)!.push(id);
    this.#children = children;
    this.#classes = new Set(classes);
    for (const id of this.#synsets.keys()) this.#measure(id, new Set());
  }

  /** All synsets, sorted by id. */
  get synsets(): readonly Synset[] {
    return [...this.#synsets.values()];
  }
  /** Those that are of no further kind; WordNet has one, entity. */
  get roots(): readonly Synset[] {
    return this.synsets.filter(({ parents }) => parents.length === 0);
  }
  synset(id: string): Synset {
    const synset = this.#synsets.get(id);
    if (synset) return synset;
    throw fail('usage', 'hierarchy', 'the id of a synset above the classes of the data', JSON.stringify(id), 'See millrace data DIR tree.');
  }
  /** Ids, sorted. */
  childrenOf(id: string): readonly string[] {
    return this.#children.get(this.synset(id).id)!;
  }

  /**
   * The synset of an id or of a word: `n01861778`, `mammal`, `kit fox`. Letter case does not matter, and `_` stands for a blank.
   * Errors: a word with several meanings here, which are listed; one with none.
   */
  find(name: string): Synset {
    if (isWnid(name)) return this.synset(name);
    const word = name.trim().replaceAll('_', ' ').toLowerCase();
    const found = this.synsets.filter(({ words }) => words.some(each => each.toLowerCase() === word));
    if (found.length === 1) return found[0];
    const where = `synset ${JSON.stringify(name)}`;
    if (found.length === 0) {
      const near = didYouMean(
        word,
        this.synsets.flatMap(({ words }) => words),
      );
      throw fail(
        'usage',
        where,
        'a word for a class of the data, or for something above one',
        'none of that name',
        `${near}An id will do.`,
      );
    }
    const list = found.map(({ id, words, gloss }) => `${id} (${words.join(', ')}: ${gloss})`).join('; ');
    throw fail('usage', where, 'a word with one meaning among the classes and above', `${found.length}: ${list}`, 'Give the id.');
  }

  /** Ids of the data set's classes that are of this kind, sorted: itself too, if it is a class. Without a name, all of them. */
  classes(name?: string): readonly string[] {
    if (name === undefined) return [...this.#classes].sort();
    const found: string[] = [];
    const seen = new Set([this.find(name).id]);
    for (const id of seen) {
      if (this.#classes.has(id)) found.push(id);
      for (const child of this.#children.get(id)!) seen.add(child);
    }
    return found.sort();
  }
  isClass(id: string): boolean {
    return this.#classes.has(id);
  }

  /**
   * The synset and all above it, the lowest first: what is more special comes before what is more general, however few steps
   * lead up to that (a dog is a domestic animal, which is an animal; mammals are further away). Of equally high ones the lower id.
   */
  ancestorsOf(id: string): readonly string[] {
    let found = this.#ancestors.get(id);
    if (!found) {
      const seen = new Set([this.synset(id).id]);
      for (const each of seen) for (const parent of this.#synsets.get(each)!.parents) seen.add(parent);
      found = [...seen].sort((a, b) => this.#heights.get(a)! - this.#heights.get(b)! || (a < b ? -1 : 1));
      this.#ancestors.set(id, found);
    }
    return found;
  }
  /** The most special of some synsets that this one is a kind of, or is; of equally high ones the lower id. */
  nearest(id: string, among: ReadonlySet<string>): string | undefined {
    return this.ancestorsOf(id).find(each => among.has(each));
  }

  /**
   * The synset and all above it on one path, the top first: of several parents the one that the source names first, as `data DIR tree` puts
   * what is below a synset. Its place in the path is its level.
   */
  pathTo(id: string): readonly string[] {
    const path = [this.synset(id).id];
    for (let [above] = this.synset(id).parents; above !== undefined; [above] = this.#synsets.get(above)!.parents) path.unshift(above);
    return path;
  }

  /** Edges on the longest path down to a class. A class that no other is below has 0. */
  height(id: string): number {
    return this.#heights.get(this.synset(id).id)!;
  }
  /** Of the synsets that both are a kind of the one of least height; of equally low ones the lower id. Undefined if there is none. */
  lowestCommonAncestor(a: string, b: string): string | undefined {
    return this.nearest(a, new Set(this.ancestorsOf(b)));
  }
  /**
   * The hierarchical cost of ILSVRC 2010: 0 for the truth, else the height of the lowest common ancestor of what was predicted
   * and what is there. Without a common ancestor, one more than the highest root.
   */
  error(predicted: string, truth: string): number {
    if (predicted === truth) return 0;
    const common = this.lowestCommonAncestor(predicted, truth);
    if (common !== undefined) return this.height(common);
    return 1 + Math.max(...this.roots.map(({ id }) => this.height(id)));
  }

  #measure(id: string, below: Set<string>): number {
    const known = this.#heights.get(id);
    if (known !== undefined) return known;
    if (below.has(id)) {
      throw fail(
        'data',
        'hierarchy',
        'synsets that are not above themselves',
        `${id} above itself`,
        'Fetch the files of the hierarchy again.',
      );
    }
    below.add(id);
    let height = 0;
    for (const child of this.#children.get(id)!) height = Math.max(height, 1 + this.#measure(child, below));
    below.delete(id);
    this.#heights.set(id, height);
    return height;
  }
}

/** The synsets of the development kit. It says who the children are, by ILSVRC2012_ID; their parents follow. */
export function devkitSynsets(synsets: readonly DevkitSynset[]): FindSynset {
  const byNumber = new Map(synsets.map(each => [each.id, each]));
  const parents = new Map<string, string[]>(synsets.map(({ wnid }) => [wnid, []]));
  for (const { wnid, children } of synsets) {
    for (const child of children) {
      const below = byNumber.get(child);
      if (below) parents.get(below.wnid)!.push(wnid);
      else {
        const fix = 'Fetch the development kit again.';
        throw fail('data', `meta.mat, synset ${wnid}`, 'children that it lists', `the number ${child}, which nobody has`, fix);
      }
    }
  }
  const found = new Map<string, Synset>(
    synsets.map(({ wnid, words, gloss }) => [wnid, { id: wnid, words: words.split(/,\s*/), gloss, parents: parents.get(wnid)! }]),
  );
  return id => found.get(id);
}
