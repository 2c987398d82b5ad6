import type { Option } from 'commander';
import type { Output } from '../../terminal/output.ts';

/** `millrace data DIR NAME [TARGET]`. */
export interface DataAction {
  readonly name: string;
  /** For --help: `prints the classes below SYNSET as a tree`. */
  readonly describe: string;
  /** Its own flags; no two actions may share a name with different meanings. */
  options?(): readonly Option[];
  /** Returns the exit status; ends with `output.summary(…)`. */
  run(context: DataActionContext): Promise<number>;
}
/** What is looked at, for those that look at a part. */
export interface ChosenOptions {
  readonly layout?: string;
  readonly classes?: string;
  readonly labelsAt?: string;
  readonly wordnet?: string;
}
export interface DataActionContext {
  readonly dir: string;
  readonly target: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  readonly output: Output;
}
