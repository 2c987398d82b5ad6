import { InvalidArgumentError, Option } from 'commander';
import { didYouMean, fail } from '../../../core/index.ts';
import { classesHelp, labelsAtHelp } from '../../run/chooseClasses.ts';
import type { Output } from '../../terminal/output.ts';
import type { DataAction } from './action.ts';
import { describeData } from './describe.ts';
import { preview } from './preview.ts';
import { shard } from './shard.ts';
import { tree } from './tree.ts';

/** What `millrace data DIR` can do besides telling what the folder is. One file each. */
export const dataActions: readonly DataAction[] = [preview, shard, tree];

export const dataOptions = (): readonly Option[] => [
  new Option('--verify', 'decode every image and list those that are bad; the status is 1 if there are any'),
  new Option('--workers <N>', 'with --verify: worker threads that decode').argParser(text => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new InvalidArgumentError('It must be a whole number of 1 or more.');
  }),
  new Option('--classes <SYNSETS>', classesHelp),
  new Option('--labels-at <N|SYNSETS>', labelsAtHelp),
  ...dataActions.flatMap(action => action.options?.() ?? []),
];

export async function data(
  dir: string,
  name: string | undefined,
  target: string | undefined,
  options: Readonly<Record<string, unknown>>,
  output: Output,
): Promise<number> {
  if (name === undefined) return describeData({ dir, target, options, output });
  const action = dataActions.find(each => each.name === name);
  if (action) return action.run({ dir, target, options, output });
  const names = dataActions.map(each => each.name);
  throw fail(
    'usage',
    'data',
    `an action (${names.join(', ') || 'there is none yet'})`,
    `"${name}"`,
    `${didYouMean(name, names)}See millrace data --help.`,
  );
}
