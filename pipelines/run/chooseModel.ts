import { readFile } from 'node:fs/promises';
import { fail, type Graph, graphFromJson, show, verify } from '../../core/index.ts';
import { type ModelOptions, model, models } from '../../models/index.ts';
import { loadDefault } from './loadModule.ts';

/** What `--model` named: a registered model or a user's function that takes options, or a graph that is as it is. */
export type ModelChoice =
  | { readonly kind: 'builder'; readonly name: string; build(options: ModelOptions): Graph }
  | { readonly kind: 'graph'; readonly name: string; readonly graph: Graph };

/** Resolves `--model NAME|FILE.json|FILE.ts`. A file with TypeScript exports a graph, or a function of `{ classes, size, channels }`. */
export async function chooseModel(name: string): Promise<ModelChoice> {
  if (Object.hasOwn(models, name)) return { kind: 'builder', name, build: options => model(name, options) };
  if (/\.json$/i.test(name)) return { kind: 'graph', name, graph: graphFromJson(await readText(name), name) };
  if (/\.[mc]?[jt]s$/i.test(name)) return fromModule(name, await loadDefault(name, 'a graph as its default export'));
  // throws the plain error with the list of names
  return { kind: 'graph', name, graph: model(name) };
}

function fromModule(file: string, value: unknown): ModelChoice {
  if (typeof value === 'function') {
    return { kind: 'builder', name: file, build: options => checked(file, (value as (options: ModelOptions) => unknown)(options)) };
  }
  return { kind: 'graph', name: file, graph: checked(file, value) };
}

function checked(file: string, value: unknown): Graph {
  if (typeof value !== 'object' || value === null || !('nodes' in value)) {
    const fix = 'Write: export default options => graph(…), as README.md shows.';
    throw fail('graph', file, 'a graph, or a function that returns one, as its default export', show(value), fix);
  }
  verify(value as Graph);
  return value as Graph;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const got = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'nothing of that name' : (error as Error).message;
    throw fail('usage', '--model', 'a file with a graph in JSON', `${got} at ${path}`, 'Check the path for a typing error.', error);
  }
}
