import { resolve } from 'node:path';
import { type DataSet, MillraceError } from '../../../core/index.ts';
import { onInterrupt } from '../interrupt.ts';
import { openChosen } from '../openTold.ts';
import type { ChosenOptions, DataActionContext } from './action.ts';
import { type Spread, survey, surveyText } from './survey.ts';
import { verifiedText, verify } from './verify.ts';

const number = (value: number): string => value.toLocaleString('en-US');

/**
 * Prints what a folder was recognised as: both splits, classes, images per class, sizes. With `--verify` it decodes every image,
 * lists those that are bad, and fails if there are any.
 */
export async function describeData(context: DataActionContext): Promise<number> {
  const { options, output } = context;
  if (!options.verify) return describe(context, undefined);
  const interrupt = onInterrupt(output, 'Stopping; Ctrl-C again stops at once.');
  try {
    return await describe(context, interrupt);
  } finally {
    output.clear();
    interrupt.close();
  }
}

type Interrupt = Pick<ReturnType<typeof onInterrupt>, 'signal'>;

async function describe({ dir, output, options }: DataActionContext, interrupt: Interrupt | undefined): Promise<number> {
  const { layout, workers, classes, labelsAt, wordnet } = options as ChosenOptions & { workers?: number };
  const folder = resolve(dir);
  const rows: object[] = [];
  const closed: { readonly split: string; readonly error: MillraceError }[] = [];
  let bad = 0;
  const warned = new Set<string>();
  for (const split of ['train', 'test'] as const) {
    let set: DataSet;
    try {
      set = await openChosen(folder, { split, layout, classes, labelsAt, wordnet, signal: interrupt?.signal }, output);
    } catch (error) {
      // a part may be missing; a folder that nobody knows has neither
      if (!(error instanceof MillraceError)) throw error;
      closed.push({ split, error });
      if (closed.length === 2) throw closed[0].error;
      rows.push({ split, error: error.message });
      continue;
    }
    const facts = factsOf(set);
    output.line(set.description);
    if (facts.per_class) output.line(perClass(facts.per_class));
    output.line(`  ${examples(set)}`);
    const surveyed = await survey(set);
    output.line(`  ${surveyText(surveyed)}`);
    for (const each of set.warnings ?? []) {
      // what is said of the whole folder is said once
      if (!warned.has(each)) output.warn(`warning: ${each}`);
      warned.add(each);
    }
    const verified = interrupt && (await verify(set, { split, workers, output, signal: interrupt.signal }));
    if (verified?.per_class && !facts.per_class) output.line(perClass(verified.per_class));
    if (verified) for (const line of verifiedText(verified)) output.line(line);
    bad += verified?.bad ?? 0;
    const row = { split, ...facts, pictures: surveyed, ...(verified && { verified }) };
    rows.push(row);
    output.event('split', row);
    if (interrupt?.signal.aborted) break;
  }
  for (const { split, error } of closed) output.line(`${split}: ${error.message}`);
  const interrupted = interrupt?.signal.aborted ?? false;
  if (interrupted) output.line('interrupted: the counts are of what was looked at');
  output.summary({ folder, splits: rows, ...(interrupt && { bad, interrupted }) });
  if (interrupted) return 130;
  // what cannot be opened is not verified; without training images there is nothing to train on
  const failed = closed.some(({ split }) => interrupt || split === 'train');
  return bad > 0 || failed ? 1 : 0;
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

function perClass({ min, mean, max }: Spread): string {
  return `  ${number(min)} to ${number(max)} images a class, ${number(Math.round(mean))} on average`;
}
