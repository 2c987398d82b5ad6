import utilities from 'gpu.js/src/utils.js';
import { fail } from '../errors.ts';

/**
 * A kernel's arrays in WGSL: their bindings, and the functions by which gpu.js's text reads them. An array larger than one
 * binding may be is bound as several ranges of its buffer, `user_NAME`, `user_NAME_1`, …, and its accessor chooses among
 * them by the index. Only such launches pay for the choice: where everything fits, the text has no trace of it.
 */
export interface ShaderArray {
  /** In elements. */
  readonly length: number;
  readonly dtype: 'f32' | 'u8';
}
export interface BindingLimits {
  /** In bytes. */
  readonly maxStorageBufferBindingSize: number;
  readonly maxStorageBuffersPerShaderStage: number;
}
/** Bytes of one array, bound for one launch: whole words, so up to three bytes more than a byte array has. */
export interface Binding {
  /** Position among the launch's inputs. */
  readonly array: number | 'output';
  readonly byteOffset: number;
  readonly byteLength: number;
  /** An input that a hand-written body writes. */
  readonly writes?: boolean;
}
export interface BoundArrays {
  /** Binding i of the module; those of the output come last. */
  readonly bindings: readonly Binding[];
  /** WGSL: `user_NAME` and `result`, a variable for each binding. */
  readonly variables: string;
  /** WGSL: `get_user_NAME(z, y, x)` for every argument. */
  readonly accessors: string;
  /** The statement that stores `value` at `index` of the output. */
  store(index: string, value: string): string;
}

/** One array as the shader sees it. */
interface BoundArray extends ShaderArray {
  readonly name: string;
  readonly bytes: number;
  /** Elements in each range but the last. */
  readonly step: number;
  /** In the order of the array's bytes, each with its variable. */
  readonly ranges: readonly (Binding & { readonly variable: string })[];
}

/** Offsets must be multiples of `minStorageBufferOffsetAlignment`, which is never larger than this. */
const ALIGNMENT = 256;
/** Indices are i32. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/**
 * Binds the arrays of a kernel whose arguments have these names. `inout` names the argument that is read through the
 * output. `where` opens the errors: of kind 'state' for arrays that indices cannot reach, 'device' for too many bindings.
 */
export function bindArrays(
  where: string,
  names: readonly string[],
  inputs: readonly ShaderArray[],
  output: ShaderArray,
  inout: string | undefined,
  limits: BindingLimits,
): BoundArrays {
  const bind = (array: Binding['array'], name: string, variable: string, shape: ShaderArray) =>
    bindArray(where, array, name, variable, shape, limits.maxStorageBufferBindingSize);
  const result = bind('output', 'output', 'result', output);
  const reads = names.map((name, i) => (name === inout ? result : bind(i, name, `user_${sanitized(name)}`, inputs[i]!)));
  const arrays = [...reads.filter(read => read !== result), result];
  const bindings = arrays.flatMap(array => array.ranges);
  const split = arrays.filter(array => array.ranges.length > 1).sort((a, b) => b.bytes - a.bytes);
  checkCount(where, bindings.length, split, limits);

  const variables = bindings.map(({ array, variable }, i) => {
    const access = array === 'output' ? 'read_write' : 'read';
    const type = array !== 'output' && inputs[array]!.dtype === 'u8' ? 'u32' : 'f32';
    return `@group(0) @binding(${i}) var<storage, ${access}> ${variable} : array<${type}>;`;
  });
  const accessors = names.flatMap((name, i) => reading(sanitized(name), reads[i]!));
  const whole = result.ranges.length === 1;
  if (!whole) accessors.push(storing(result));
  return {
    bindings,
    variables: variables.join('\n'),
    accessors: accessors.join('\n'),
    store: (index, value) => (whole ? `result[${index}] = ${value};` : `storeResult(${index}, ${value});`),
  };
}

const sanitized = (name: string): string => utilities.utils.sanitizeName(name);

/** As few ranges as can be: all but the last are full. */
function bindArray(
  where: string,
  array: Binding['array'],
  name: string,
  variable: string,
  { length, dtype }: ShaderArray,
  most: number,
): BoundArray {
  if (length > MOST_ELEMENTS) {
    const fix = 'Use a smaller batch or image size.';
    throw fail('state', where, `arrays of at most ${MOST_ELEMENTS} elements`, `${length} in "${name}"`, fix);
  }
  const bytes = dtype === 'u8' ? length : 4 * length;
  // a binding of no bytes is refused
  const words = Math.max(4, Math.ceil(bytes / 4) * 4);
  const full = words <= most ? words : Math.floor(most / ALIGNMENT) * ALIGNMENT;
  const ranges = Array.from({ length: Math.ceil(words / full) }, (_, i) => ({
    array,
    byteOffset: i * full,
    byteLength: Math.min(full, words - i * full),
    variable: i === 0 ? variable : `${variable}_${i}`,
  }));
  return { name, length, dtype, bytes, step: dtype === 'u8' ? full : full / 4, ranges };
}

function checkCount(where: string, count: number, split: readonly BoundArray[], limits: BindingLimits): void {
  const most = limits.maxStorageBuffersPerShaderStage;
  if (count <= most) return;
  const expected = `at most ${most} arrays with the output (this adapter's limit)`;
  if (split.length === 0) throw fail('device', where, expected, `${count}`, 'Split the kernel.');
  const parts = split.map(({ name, bytes, ranges }) => `"${name}" of ${bytes} bytes takes ${ranges.length}`);
  const got = `${count}, because a binding holds at most ${limits.maxStorageBufferBindingSize} bytes: ${parts.join(', ')}`;
  throw fail('device', where, expected, got, 'Use a smaller batch or image size, or split the kernel.');
}

/** gpu.js reads arrays by `get_user_NAME(z, y, x)`; ours have one dimension. The clamped one stays inside its array whatever x is. */
function reading(name: string, array: BoundArray): string[] {
  const read = (variable: string, x: string) => {
    const value = array.dtype === 'u8' ? `f32((${variable}[${x} >> 2u] >> (u32(${x} & 3) << 3u)) & 255u)` : `${variable}[${x}]`;
    return `return ${value};`;
  };
  return [
    `fn get_user_${name}(z : i32, y : i32, x : i32) -> f32 { ${choose(array, read)} }`,
    `fn clamped_user_${name}(z : i32, y : i32, x : i32) -> f32 { return get_user_${name}(0, 0, clamp(x, 0, ${array.length - 1})); }`,
  ];
}

function storing(array: BoundArray): string {
  return `fn storeResult(x : i32, value : f32) { ${choose(array, (variable, x) => `${variable}[${x}] = value; return;`)} }`;
}

/** The statement for the range that `x` falls into. */
function choose({ ranges, step }: BoundArray, statement: (variable: string, x: string) => string): string {
  return ranges
    .map(({ variable }, i) => {
      const chosen = statement(variable, i === 0 ? 'x' : `(x - ${i * step})`);
      return i === ranges.length - 1 ? chosen : `if (x < ${(i + 1) * step}) { ${chosen} }`;
    })
    .join('\n  ');
}
