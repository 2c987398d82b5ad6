import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { fail } from '../errors.ts';

/**
 * The routines of `core/assembly`, compiled. There are two builds: with relaxed SIMD a multiply-add is one instruction, which
 * nearly doubles the speed of products. Which one runs is decided by what this Node and this machine accept.
 */
export interface WasmLibrary {
  readonly module: WebAssembly.Module;
  readonly relaxed: boolean;
}

let library: WasmLibrary | undefined;

/** The better of the two builds that validates here. Compiled once. Throws a MillraceError if they have not been built. */
export function wasmLibrary(): WasmLibrary {
  library ??= load();
  return library;
}

function load(): WasmLibrary {
  // Node 20 hides relaxed SIMD behind a flag, which must be set before the first compilation; later versions ignore it
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  const bytes = read('relaxed');
  const relaxed = WebAssembly.validate(bytes);
  return { module: new WebAssembly.Module(relaxed ? bytes : read('simd')), relaxed };
}

function read(build: 'relaxed' | 'simd'): Uint8Array<ArrayBuffer> {
  const file = new URL(`../assembly/build/${build}.wasm`, import.meta.url);
  try {
    return new Uint8Array(readFileSync(file));
  } catch (error) {
    const fix = 'Run `npm run kernels` in the checkout: an install with --ignore-scripts leaves it out.';
    throw fail('state', 'wasm', `compiled routines in core/assembly/build/${build}.wasm`, (error as Error).message, fix, error);
  }
}
