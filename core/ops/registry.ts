/** Every op and primitive by name. An op's file registers itself when `index.ts` imports it. */
import { didYouMean } from '../closest.ts';
import { fail } from '../errors.ts';
import type { Op, Primitive } from './op.ts';

const ops = new Map<string, Op>();
const primitives = new Map<string, Primitive>();

/** Makes an op known under its name; a second op of that name is an error. Returns it. */
export function registerOp<A>(entry: Op<A>): Op<A> {
  return register('op', ops as Map<string, Op<A>>, entry);
}

/** Makes a primitive known under its name; a second primitive of that name is an error. Returns it. */
export function registerPrimitive<A>(entry: Primitive<A>): Primitive<A> {
  return register('primitive', primitives as Map<string, Primitive<A>>, entry);
}

/** The op of that name. `where` says who asks: `node "layer1.0.conv1"`. */
export function op(name: string, where = 'graph'): Op {
  return find('op', ops, name, where);
}

/** The primitive of that name. */
export function primitive(name: string, where = 'program'): Primitive {
  return find('primitive', primitives, name, where);
}

/** Names of all ops, sorted. */
export const opNames = (): string[] => [...ops.keys()].sort();
/** Names of all primitives, sorted. */
export const primitiveNames = (): string[] => [...primitives.keys()].sort();

function register<T extends { readonly name: string }>(kind: string, known: Map<string, T>, entry: T): T {
  if (known.has(entry.name)) {
    throw fail('state', `${kind} "${entry.name}"`, `a name that no other ${kind} has`, 'a second registration', 'Choose another name.');
  }
  known.set(entry.name, entry);
  return entry;
}

function find<T>(kind: string, known: Map<string, T>, name: string, where: string): T {
  const found = known.get(name);
  if (found) return found;
  const names = [...known.keys()].sort();
  const fix = `${didYouMean(name, names)}Use one of these, or register "${name}" first.`;
  throw fail('graph', where, `a registered ${kind} (${names.join(', ')})`, `"${name}"`, fix);
}
