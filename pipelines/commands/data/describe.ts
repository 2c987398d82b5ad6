import { resolve } from 'node:path';
import { type DataSet, MillraceError } from '../../../core/index.ts';
import { openDataSet } from '../../../operators/index.ts';
import type { DataActionContext } from './action.ts';

const number = (value: number): string => value.toLocaleString('en-US');

/** Prints what a folder was recognised as: both splits, classes, images per class. */
export async function describeData({ dir, output, options }: DataActionContext): Promise<number> {
  const { layout } = options as { layout?: string };
  const folder = resolve(dir);
  const rows: object[] = [];
  const warned = new Set<string>();
  for (const split of ['train', 'test'] as const) {
    let set: DataSet;
    try {
      set = await openDataSet(folder, { split, layout });
    } catch (error) {
      // a part may be missing; a folder that nobody knows has neither
      if (split === 'train' || !(error instanceof MillraceError)) throw error;
      output.line(`${split}: ${error.message}`);
      rows.push({ split, error: error.message });
      continue;
    }
    const facts = factsOf(set);
    output.line(set.description);
    if (facts.per_class) {
      const { min, mean, max } = facts.per_class;
      output.line(`  ${number(min)} to ${number(max)} images a class, ${number(Math.round(mean))} on average`);
    }
    output.line(`  ${examples(set)}`);
    for (const each of set.warnings ?? []) {
      // what is said of the whole folder is said once
      if (!warned.has(each)) output.warn(`warning: ${each}`);
      warned.add(each);
    }
    rows.push({ split, ...facts });
    output.event('split', { split, ...facts });
  }
  output.summary({ folder, splits: rows });
  return 0;
}

function factsOf({ description, classes, counts, size, warnings = [] }: DataSet) {
  const images = size ?? null;
  if (!counts || counts.length === 0) return { description, classes: classes.length, images, warnings };
  const total = counts.reduce((sum, count) => sum + count, 0);
  const per_class = { min: Math.min(...counts), mean: total / counts.length, max: Math.max(...counts) };
  return { description, classes: classes.length, images, warnings, per_class };
}

/** The first classes with their names. */
function examples({ classes, names }: DataSet): string {
  const shown = classes.slice(0, 4).map((id, i) => (names && names[i] !== id ? `${id} (${names[i]})` : id));
  return `classes: ${shown.join(', ')}${classes.length > shown.length ? `, … ${number(classes.length)} in all` : ''}`;
}
