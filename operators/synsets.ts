import type { Hierarchy } from '../core/data/imagenet/hierarchy.ts';
import { relabel } from '../core/data/relabel.ts';
import type { DataSet } from '../core/data/sample.ts';
import { fail, show } from '../core/errors.ts';

const listed = (names: readonly string[]): string => names.map(name => JSON.stringify(name)).join(', ');

/** The part of a data set that is below one of these synsets, named by id or word: `withinSynsets(set, hierarchy, ['mammal'])`.
 *
 * Classes keep their order and are numbered anew; names and counts follow.
 *  Errors: a word that is unknown or ambiguous (see `Hierarchy.find`); fewer than two classes. */
export function withinSynsets(set: DataSet, hierarchy: Hierarchy, names: readonly string[]): DataSet {
  const wanted = new Set(names.flatMap(name => hierarchy.classes(name)));
  const kept = [...set.classes.keys()].filter(label => wanted.has(set.classes[label]));
  if (kept.length < 2) {
    const got = kept.length === 0 ? 'none' : `one, ${set.classes[kept[0]]}`;
    throw fail('usage', `classes below ${listed(names)}`, 'at least two', got, 'A classifier needs two: name a synset further up.');
  }
  const labels = new Int32Array(set.classes.length).fill(-1);
  for (const [label, old] of kept.entries()) labels[old] = label;
  return relabel(set, {
    classes: kept.map(old => set.classes[old]),
    names: kept.map(old => set.names?.[old] ?? hierarchy.synset(set.classes[old]).words.join(', ')),
    labels,
    description: `${set.description}; of these the ${kept.length} classes below ${listed(names)}`,
  });
}

/** A data set whose labels are synsets further up: `atSynsets(set, hierarchy, ['mammal', 'vehicle'])` has two classes.
 *
 * A sample gets the nearest of them that its class is a kind of; samples of no such class are left out. The order of the names is
 * that of the labels.
 *  Errors: a word that is unknown or ambiguous; fewer than two names; a synset named twice, or with all its classes nearer to others. */
export function atSynsets(set: DataSet, hierarchy: Hierarchy, names: readonly string[]): DataSet {
  const synsets = names.map(name => hierarchy.find(name));
  const places = new Map(synsets.map(({ id }, label) => [id, label]));
  const where = `classes at ${listed(names)}`;
  if (places.size < 2 || places.size < names.length) {
    const got = names.length < 2 ? listed(names) || 'none' : 'the same one twice';
    throw fail('usage', where, 'at least two different synsets', got, 'Name each of them once.');
  }
  const among = new Set(places.keys());
  const labels = Int32Array.from(set.classes, id => {
    const ancestor = hierarchy.nearest(id, among);
    return ancestor === undefined ? -1 : places.get(ancestor)!;
  });
  const empty = synsets.find((_, label) => !labels.includes(label));
  if (empty) {
    const fix = 'The others are nearer to all that is below it: leave it out.';
    throw fail('usage', where, `a class that belongs to ${empty.id} (${empty.words[0]})`, 'none', fix);
  }
  return relabel(set, {
    classes: synsets.map(({ id }) => id),
    names: synsets.map(({ words }) => words.join(', ')),
    labels,
    description: `${set.description}; labelled as ${listed(names)}`,
  });
}

/** A data set whose labels are the synsets at one level, so many steps below the top: `atLevel(set, hierarchy, 6)`.
 *
 * Levels are counted as `data DIR tree` shows them. A class that lies higher keeps its label, so every sample is kept. The order is that of the ids.
 *  Errors: a level that is no whole number from 0; all classes below one synset there. */
export function atLevel(set: DataSet, hierarchy: Hierarchy, level: number): DataSet {
  const where = `classes at level ${show(level)}`;
  if (!Number.isInteger(level) || level < 0) {
    throw fail('usage', where, 'a whole number of steps below the top, from 0', show(level), 'See millrace data DIR tree --depth N.');
  }
  const ancestors = set.classes.map(id => {
    const path = hierarchy.pathTo(id);
    return path[Math.min(level, path.length - 1)];
  });
  const classes = [...new Set(ancestors)].sort();
  if (classes.length < 2) {
    const got = `one, ${classes[0]} (${hierarchy.synset(classes[0]).words[0]})`;
    throw fail('usage', where, 'at least two synsets', got, 'Take a level further down: see millrace data DIR tree --depth N.');
  }
  const places = new Map(classes.map((id, label) => [id, label]));
  return relabel(set, {
    classes,
    names: classes.map(id => hierarchy.synset(id).words.join(', ')),
    labels: Int32Array.from(ancestors, id => places.get(id)!),
    description: `${set.description}; labelled at level ${level} as ${classes.length} classes`,
  });
}
