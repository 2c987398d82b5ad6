import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail } from '../../core/index.ts';

let registered = false;

/** The default export of a user's own file, TypeScript or JavaScript. tsx compiles it, unless it does so for this process already. */
export async function loadDefault(path: string, what: string): Promise<unknown> {
  const file = resolve(path);
  try {
    await access(file);
  } catch (error) {
    throw fail('usage', path, `a file with ${what}`, 'nothing of that name', 'Check the path for a typing error.', error);
  }
  if (!registered && !import.meta.url.endsWith('.ts')) {
    const { register } = await import('tsx/esm/api');
    register();
    registered = true;
  }
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  // under a CommonJS package.json the default export arrives one level deeper
  const { default: value } = module;
  return typeof value === 'object' && value !== null && 'default' in value ? value.default : value;
}
