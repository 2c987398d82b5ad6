/** The README's table of ops × devices, made from the registry. `npm run readme` writes it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { op, opNames, primitive, primitiveNames } from '../core/index.ts';
import { root } from './sourceFiles.ts';

const marks = { begin: '<!-- ops: made by npm run readme -->', end: '<!-- /ops -->' };
const devices = [
  { title: 'cpu', variants: undefined },
  { title: 'wasm', variants: 'wasm' },
  { title: 'webgpu', variants: 'webgpu' },
] as const;

/** One row an op: `yes` where its own gpu.js kernels run, and the variants that replace some of them. */
export function supportTable(): string {
  const rows = opNames().map(name => {
    const primitives = primitiveNames().filter(each => each === name || each.startsWith(`${name}.`));
    const gradient = op(name).gradient === 'none' ? 'none' : 'yes';
    const cells = devices.map(({ variants }) => {
      const tuned = primitives.flatMap(each =>
        (primitive(each).variants ?? []).filter(({ device }) => device === variants).map(variant => `\`${variant.name}\``),
      );
      return ['yes', ...new Set(tuned)].join(', ');
    });
    return `| ${[`\`${name}\``, gradient, ...cells].join(' | ')} |`;
  });
  const head = ['op', 'gradient', ...devices.map(({ title }) => title)];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows].join('\n');
}

const readme = join(root, 'README.md');

/** The README as it should be. */
export function withSupportTable(text: string): string {
  const begin = text.indexOf(marks.begin);
  const end = text.indexOf(marks.end);
  if (begin < 0 || end < begin) throw new Error(`README.md has no ${marks.begin} … ${marks.end}`);
  return `${text.slice(0, begin + marks.begin.length)}\n${supportTable()}\n${text.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(readme, withSupportTable(readFileSync(readme, 'utf8')));
