import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const folders = ['core', 'operators', 'models', 'pipelines', 'spec'] as const;

export interface Import {
  /** Paths relative to the repository: `core/ops/relu.ts`. */
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** The TypeScript files of a folder, paths relative to the repository. */
export function sourceFiles(folder: string): string[] {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .map(file => join(folder, file))
    .sort();
}

/** All imports of our own files, static and dynamic. */
export function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statements = [
    ...text.matchAll(/^(?:import|export)\s(type\s)?(?:[^;'"]*?\sfrom\s)?'(\.[^']+)'/gm),
    ...text.matchAll(/\bimport\((?<unused>)'(\.[^']+)'\)/g),
  ];
  return statements.map(([, type, target]) => ({
    from: file,
    to: relative(root, normalize(join(root, dirname(file), target))),
    typeOnly: Boolean(type),
  }));
}
