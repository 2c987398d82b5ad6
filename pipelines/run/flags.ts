import { Option } from 'commander';
import type { z } from 'zod';
import { fail, show } from '../../core/index.ts';

type Values = Record<string, unknown>;

/** The flags of a schema: `checkpointEvery: z.number().default(500).describe('…')` becomes `--checkpoint-every <number>`. */
export function flagsOf(schema: z.ZodObject): Option[] {
  return Object.entries(schema.shape).map(([name, field]) => {
    const { kind, words = [], choices, preset } = lookInto(field as z.ZodType);
    const flag = `--${kebab(name)}`;
    const description = (field as z.ZodType).description ?? '';
    const shown = preset === undefined || preset === false ? description : `${description} (default: ${preset})`;
    if (kind === 'boolean') return new Option(preset === true ? `--no-${kebab(name)}` : flag, description);
    const option = new Option(`${flag} <${placeholders[name] ?? kind}>`, choices ? `${shown}: ${choices.join(', ')}` : shown);
    // only whether it is a number is decided here; the schema says which numbers it takes
    if (kind !== 'number') return option;
    return option.argParser(text => (words.includes(text) ? text : text.trim() === '' ? Number.NaN : Number(text)));
  });
}

const placeholders: Readonly<Record<string, string>> = {
  model: 'NAME|FILE',
  weights: 'FILE',
  data: 'DIR',
  classes: 'SYNSETS',
  labelsAt: 'N|SYNSETS',
  wordnet: 'DIR',
  size: 'PX',
  out: 'DIR',
  resume: 'DIR',
  lr: 'X',
  threads: 'N',
  workers: 'N|auto',
  batch: 'N',
  epochs: 'N',
  steps: 'N',
  seed: 'N',
};

/** Validates what came from the command line or a config. Throws a MillraceError of kind 'usage' that names the flag. */
export function parseOptions<Schema extends z.ZodObject>(schema: Schema, values: Values): z.output<Schema> {
  const known = Object.fromEntries(Object.entries(values).filter(([name]) => Object.hasOwn(schema.shape, name)));
  const result = schema.safeParse(known);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue.path[0] ?? '');
  const field = schema.shape[name] as z.ZodType | undefined;
  const got = known[name];
  throw fail(
    'usage',
    `--${kebab(name)}`,
    expectation(issue, field),
    typeof got === 'number' && Number.isNaN(got) ? 'something that is not a number' : show(got),
    field?.description ? `It is: ${field.description}.` : 'See --help.',
  );
}

function expectation(issue: z.core.$ZodIssue, field: z.ZodType | undefined): string {
  const { kind, choices, words } = field ? lookInto(field) : { kind: 'value', choices: undefined, words: undefined };
  if (words) return `a ${kind} of 1 or more, or ${words.join(', ')}`;
  if (choices) return `one of ${choices.join(', ')}`;
  if (issue.code === 'too_small') return `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code === 'invalid_type') return issue.expected === 'int' ? 'a whole number' : `a ${kind}`;
  return issue.message;
}

interface Field {
  readonly kind: 'number' | 'string' | 'boolean';
  readonly choices?: readonly string[];
  /** What may stand in place of a number. */
  readonly words?: readonly string[];
  readonly preset?: unknown;
}

/** What stands inside optional and default wrappers. */
function lookInto(field: z.ZodType): Field {
  const definition = field.def as {
    type: string;
    innerType?: z.ZodType;
    defaultValue?: unknown;
    entries?: Record<string, string>;
    options?: readonly z.ZodType[];
    values?: readonly unknown[];
  };
  switch (definition.type) {
    case 'default':
      return { ...lookInto(definition.innerType!), preset: definition.defaultValue };
    case 'optional':
      return lookInto(definition.innerType!);
    case 'number':
    case 'string':
    case 'boolean':
      return { kind: definition.type };
    case 'literal':
      return { kind: 'string', choices: definition.values!.map(String) };
    // a number, or a word in its place
    case 'union': {
      const [number, ...others] = definition.options!.map(lookInto);
      return { ...number, words: others.flatMap(({ choices = [] }) => choices) };
    }
    case 'enum':
      return { kind: 'string', choices: Object.values(definition.entries!) };
    default:
      throw fail(
        'usage',
        'definePipeline',
        'options that are numbers, strings, booleans or enums',
        definition.type,
        'Flags can be nothing else: write it as one of these.',
      );
  }
}

export const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
