import { resolve } from 'node:path';
import { fail, show } from '../../core/index.ts';
import type { Pipeline } from '../definePipeline.ts';
import { kebab } from './flags.ts';
import { readConfig } from './runFolder.ts';

/** What may change in the middle of a run; anything else would make another run of it. */
const changeable: ReadonlySet<string> = new Set([
  'resume',
  'device',
  'exact',
  'fuse',
  'precision',
  'threads',
  'workers',
  'epochs',
  'steps',
  'lr',
  'data',
  'wordnet',
  'layout',
  'onError',
  'pixelLimit',
  'failOn',
  'checkpointEvery',
]);

/** The saved options of a run, with what was given anew. Throws a MillraceError of kind 'usage' for what may not change. */
export async function resumedOptions(
  folder: string,
  pipeline: Pipeline,
  given: Readonly<Record<string, unknown>>,
): Promise<{ options: Record<string, unknown>; started: string }> {
  const config = await readConfig(folder);
  if (config.pipeline !== pipeline.name) {
    const fix = 'Name the file of the same pipeline before --resume.';
    throw fail('usage', '--resume', `a run of pipeline "${pipeline.name}"`, `one of "${config.pipeline}"`, fix);
  }
  for (const [name, value] of Object.entries(given)) {
    const saved = config.options[name];
    if (changeable.has(name) || value === saved || (typeof value === 'string' && resolve(value) === saved)) continue;
    const fix = `Leave it out, or begin a new run with --weights ${folder}/checkpoint.safetensors.`;
    throw fail('usage', `--${kebab(name)}`, `${show(saved) ?? 'nothing'}, as the run was begun with`, show(value), fix);
  }
  const { resume: _, out: __, workers: ___, ...saved } = config.options;
  return { options: { ...saved, ...given, out: folder }, started: config.started };
}
