import type { DataSet } from '../../core/index.ts';
import { openDataSet } from '../../operators/index.ts';
import { type ClassChoice, chooseClasses } from '../run/chooseClasses.ts';
import { IndexingProgress } from '../terminal/indexing.ts';
import type { Output } from '../terminal/output.ts';
import { Interrupted, onInterrupt } from './interrupt.ts';

type Options = Omit<Parameters<typeof openDataSet>[1], 'indexing'>;

/**
 * `openDataSet` that shows how far an index is which has to be made first, and ends with `Interrupted` at Ctrl-C, or when a signal that was
 * given is aborted.
 */
export async function openTold(dir: string, options: Options, output: Output): Promise<DataSet> {
  const own = options.signal ? undefined : onInterrupt(output, 'Stopping; no index is left behind.');
  const signal = options.signal ?? own?.signal;
  const progress = new IndexingProgress(output);
  try {
    return await openDataSet(dir, { ...options, signal, indexing: progress.tell });
  } catch (error) {
    throw signal?.aborted && error === signal.reason ? new Interrupted() : error;
  } finally {
    progress.end();
    own?.close();
  }
}

/** `openTold`, of that the part that `--classes` and `--labels-at` choose. */
export async function openChosen(dir: string, options: Options & Omit<ClassChoice, 'dir'>, output: Output): Promise<DataSet> {
  const { classes, labelsAt, wordnet, ...rest } = options;
  const [set] = await chooseClasses([await openTold(dir, rest, output)], { dir, classes, labelsAt, wordnet });
  return set;
}
