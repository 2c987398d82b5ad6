import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { wasmLibrary } from '../../../../core/kernels/wasmLibrary.ts';
import { type LowerOptions, lower } from '../../../../core/plan/lower.ts';
import { elements } from '../../../../core/shape.ts';
import type { Runner } from '../run.ts';

type Routine = (start: number, end: number, scratch: number, ...rest: number[]) => void;

export interface DirectOptions extends LowerOptions {
  readonly build: 'relaxed' | 'simd';
  /** Units per call; all at once by default. */
  readonly grain?: number;
}
/** Bytes between tensors: routines may read them, and must neither use nor write them. */
const GAP = 64;

/**
 * Calls the routines of one build of the library on this thread, without a device. Tensors and scratch begin as NaN, and so
 * do the gaps between them, which must come out as they were. Nodes without a WebAssembly variant are left out.
 */
export function directly({ build, grain, ...options }: DirectOptions): Runner {
  return async (program, values) => {
    const { tensors, nodes } = lower(program, 'wasm', options);
    const launches = nodes.flatMap(node => node.launches);
    const places = new Map<string, { at: number; length: number }>();
    let top = 65536;
    for (const { name, shape } of tensors.values()) {
      places.set(name, { at: top, length: elements(shape) });
      top = Math.ceil((top + elements(shape) * 4 + GAP) / 64) * 64;
    }
    const scratch = top;
    const needed = Math.max(
      0,
      ...launches.map(({ ...launch }) => ('body' in launch && 'scratch' in launch.body && launch.body.scratch) || 0),
    );
    top += needed;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((top + GAP) / 65536), maximum: 65536, shared: true });
    const floats = new Float32Array(memory.buffer).fill(Number.NaN);
    const gaps = new Uint32Array(memory.buffer);
    const at = (name: string) => places.get(name)!.at;
    for (const [name, given] of Object.entries(values)) floats.set(given, at(name) / 4);
    // it has set the flag by which Node 20 accepts relaxed SIMD
    const usable = build === 'relaxed' && wasmLibrary().relaxed ? build : 'simd';
    const file = new URL(`../../../../core/assembly/build/${usable}.wasm`, import.meta.url);
    const abort = () => assert.fail('a routine gave up');
    const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), { env: { memory, abort } });
    for (const { kernel, inputs, output, ...rest } of launches) {
      if (!('body' in rest) || rest.body.language !== 'wasm') continue;
      const { routine, units, arguments: of } = rest.body;
      const run = instance.exports[routine] as Routine;
      const values = of({ inputs: inputs.map(at), output: at(output) });
      // last units first: their order must not matter
      for (let end = units; end > 0; end -= grain ?? units) run(Math.max(0, end - (grain ?? units)), end, scratch, ...values);
      const untouched = new Uint32Array(Float32Array.of(Number.NaN).buffer)[0];
      const check = (from: number, to: number, what: string) => {
        for (let i = from / 4; i < to / 4; i++) assert.equal(gaps[i], untouched, `${kernel.name} wrote past ${what}`);
      };
      for (const [name, { at: start, length }] of places) {
        const past = start + length * 4;
        check(past, Math.min(scratch, Math.ceil((past + GAP) / 64) * 64), name);
      }
      check(top, top + GAP, 'its scratch');
    }
    return Object.fromEntries([...places].map(([name, { at: start, length }]) => [name, floats.slice(start / 4, start / 4 + length)]));
  };
}
