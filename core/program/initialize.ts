import type { Initializer } from '../ops/op.ts';
import { hash, normals, purpose, uniforms } from '../random.ts';
import { elements, type Shape } from '../shape.ts';

/**
 * The values a parameter starts with: a pure function of (seed, name), so that a layer that is added or frozen changes
 * the start of no other. In our layout. Constants take no randomness.
 */
export function initialize(name: string, shape: Shape, init: Initializer, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elements(shape));
  if (init.kind === 'constant') return values.fill(init.value);
  const counters = [seed, purpose.init, nameCounter(name)];
  if (init.kind === 'uniform') {
    const next = uniforms(...counters);
    for (let i = 0; i < values.length; i++) values[i] = (2 * next() - 1) * init.bound;
  } else {
    const next = normals(...counters);
    for (let i = 0; i < values.length; i++) values[i] = next() * init.std;
  }
  return values;
}

const nameCounter = (name: string): number => hash(...Array.from(name, letter => letter.codePointAt(0)!));
