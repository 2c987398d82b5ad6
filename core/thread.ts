import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Address of a worker thread's entry that lies beside the caller: `threadEntry(import.meta.url, './worker')`. In the
 * compiled package that is a .js file. In a checkout it is TypeScript, which a new thread cannot load by itself: tsx's
 * loader is not inherited by threads on every Node, so a one-line module registers it first.
 */
export function threadEntry(caller: string, name: string): URL {
  const extension = extname(new URL(caller).pathname);
  const entry = new URL(`${name}${extension}`, caller);
  if (extension !== '.ts') return entry;
  // import.meta.resolve is missing where tsx turns modules into CommonJS, as it does under mocha; require finds the .cjs twin
  const twin = createRequire(import.meta.url).resolve('tsx/esm/api');
  const tsx = pathToFileURL(twin.replace(/\.cjs$/, '.mjs')).href;
  const source = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(entry.href)});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

/** Flags of Node that say how modules are found and loaded; those that take a value may have it as the next argument. */
const loading = new Set(['--import', '--require', '-r', '--loader', '--experimental-loader', '--conditions', '-C']);

/**
 * The part of the process's flags that a thread needs: how modules load. Node refuses to start a thread with others, V8's
 * and `--input-type` among them, though it passes them on by itself where none are given.
 */
export function threadFlags(flags: readonly string[] = process.execArgv): string[] {
  const kept: string[] = [];
  flags.forEach((flag, i) => {
    const [name] = flag.split('=', 1) as [string];
    if (!loading.has(name)) return;
    kept.push(flag);
    if (flag === name && i + 1 < flags.length) kept.push(flags[i + 1]!);
  });
  return kept;
}

/** Whether threads here can share memory: false only for a Node that was told to do without. */
export const sharesMemory = (): boolean => typeof SharedArrayBuffer !== 'undefined';
