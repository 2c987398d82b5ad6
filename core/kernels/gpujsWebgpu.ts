import { createRequire } from 'node:module';
import builder from 'gpu.js/src/backend/function-builder.js';
import utilities from 'gpu.js/src/utils.js';
import { fail } from '../errors.ts';
import { type Kernel, type Launch, settings } from './kernel.ts';
import type { VariantLaunch } from './variant.ts';
import { type Binding, type BindingLimits, type BoundArrays, bindArrays, type ShaderArray } from './wgslArrays.ts';
import { wrapBody } from './wgslBody.ts';
import { ROUNDED, WgslNode } from './wgslNode.ts';

/**
 * Adapter two of two to gpu.js's internals: compiles a kernel to a WGSL module that works on our buffers. gpu.js
 * translates the function's body; bindings, array accessors, the entry point and the stores are ours. Sizes and
 * constants are literals, so a module needs no uniform buffer: what its launch binds are its arrays, and nothing else.
 */
export interface ShaderLimits extends BindingLimits {
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
}
export interface ShaderLaunch {
  readonly launch: Launch | VariantLaunch;
  readonly inputs: readonly ShaderArray[];
  readonly output: ShaderArray;
}
export interface Shader {
  /** A whole WGSL module with one compute entry point. */
  readonly source: string;
  /** What binding i holds; the output comes last. An `inout` argument has no binding of its own. */
  readonly bindings: readonly Binding[];
  readonly groups: readonly [number, number, number];
}

/** One flat group of threads: neighbours in x are neighbours in memory, and only the last group has idle lanes. */
const WORKGROUP = 64;

const FLOOR_DIV = `fn floorDiv(a : i32, b : i32) -> i32 {
  let q = a / b;
  return q - select(0, 1, a - q * b != 0 && (a < 0) != (b < 0));
}`;

export class WgslCompiler {
  readonly #translated = new Map<string, string>();

  compile(item: ShaderLaunch, limits: ShaderLimits): Shader {
    const { launch, inputs, output } = item;
    if ('body' in launch) return wrapBody(launch, inputs, output, limits);
    const { kernel } = launch;
    const where = `kernel "${kernel.name}"`;
    const names = argumentNames(kernel);
    if (inputs.length !== names.length) {
      throw fail(
        'state',
        where,
        `${names.length} inputs (${names.join(', ')})`,
        `${inputs.length}`,
        'Pass one tensor per argument of the function.',
      );
    }
    if (output.dtype !== 'f32') throw fail('state', where, 'a float output', output.dtype, 'Kernels write floats; bytes are read only.');
    if (kernel.inout !== undefined && !names.includes(kernel.inout)) {
      throw fail('state', where, `an argument named "${kernel.inout}" (inout)`, names.join(', '), 'Name one of the arguments.');
    }
    const arrays = bindArrays(where, names, inputs, output, kernel.inout, limits);
    const entry = this.#entry(kernel, arrays, limits);
    return {
      source: [declarations(arrays), ...(/\b(rounded|quotient)\(/.test(entry) ? [ROUNDED] : []), entry].join('\n'),
      bindings: arrays.bindings,
      groups: fold(Math.ceil(threadCount(kernel) / WORKGROUP), limits, where),
    };
  }

  #entry(kernel: Kernel, arrays: BoundArrays, limits: ShaderLimits): string {
    const [x, y = 1, z = 1] = kernel.threads;
    const count = threadCount(kernel);
    const [width] = fold(Math.ceil(count / WORKGROUP), limits, kernel.name);
    const coordinates =
      y === 1 && z === 1 ? 'flat, 0u, 0u' : `flat % ${x}u, ${z === 1 ? `flat / ${x}u` : `(flat / ${x}u) % ${y}u`}, flat / ${x * y}u`;
    // what gpu.js stores is an expression: it holds no semicolon
    const body = this.#translate(kernel).replaceAll(/result\[data_index\] = ([^;]*);/g, (_, value: string) =>
      arrays.store('data_index', value),
    );
    return `var<private> threadGid : vec3<u32>;
${kernel.rows === undefined ? '' : storeRows(x, kernel.rows, arrays)}@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) lane : u32) {
  let flat : u32 = (group.y * ${width}u + group.x) * ${WORKGROUP}u + lane;
  if (flat >= ${count}u) { return; }
  threadGid = vec3<u32>(${coordinates});
  let data_index : i32 = i32(flat);
${body}
}`;
  }

  /** The function's body in WGSL. It depends on the function, its constants and its threads only. */
  #translate(kernel: Kernel): string {
    const key = JSON.stringify([kernel.run.toString(), kernel.threads, kernel.rows, kernel.integers, kernel.floats]);
    let body = this.#translated.get(key);
    if (body === undefined) {
      body = translate(kernel);
      this.#translated.set(key, body);
    }
    return body;
  }
}

function translate(kernel: Kernel): string {
  checkGpujs();
  const where = `kernel "${kernel.name}"`;
  const { output, constants, constantTypes } = settings(kernel) as {
    output: number[];
    constants: Record<string, number>;
    constantTypes: Record<string, string>;
  };
  const names = utilities.utils.getArgumentNamesFromString(functionText(kernel));
  let body: string;
  try {
    const functions = builder.FunctionBuilder.fromKernel(
      {
        source: functionText(kernel),
        output: [output[0], output[1] ?? 1, output[2] ?? 1],
        argumentNames: names,
        kernelArguments: names.map(() => ({ type: 'Array' })),
        kernelConstants: Object.keys(constantTypes).map(name => ({ name, type: constantTypes[name] })),
        constants: Object.fromEntries(
          Object.entries(constants).map(([name, value]) => [name, constantTypes[name] === 'Float' ? Math.fround(value) : value]),
        ),
        precision: 'single',
        loopMaxIterations: 1000,
      },
      WgslNode,
    );
    const root = functions.functionMap.kernel as unknown as WgslNode;
    root.storesRows = kernel.rows !== undefined;
    body = functions.getPrototypes('kernel').at(-1)!;
    const returned = root.returnType ?? 'nothing';
    if (kernel.rows === undefined && returned.startsWith('Array')) throw new Error(`it returns ${returned} but states no rows`);
  } catch (error) {
    throw fail(
      'state',
      where,
      'a function that gpu.js can compile to WGSL',
      (error as Error).message,
      'See the rules in core/kernels/kernel.ts.',
      error,
    );
  }
  if (body.includes('LOOP_MAX')) {
    throw fail(
      'state',
      where,
      'loops from a literal to an integer constant',
      'a loop whose length gpu.js cannot see',
      'Bound it by a literal or by this.constants.NAME.',
    );
  }
  if (!body.includes(kernel.rows === undefined ? 'result[data_index] = ' : 'storeRows('))
    throw unknownGpujs(`no store of the result in ${JSON.stringify(body)}`);
  return body;
}

/** gpu.js parses a function expression, so a method `run(x) {…}` gets its keyword back. */
function functionText({ name, run }: Kernel): string {
  const text = run.toString();
  if (text.startsWith('function')) return text;
  if (/^(async\b|\(|[\w$]+\s*=>)/.test(text)) {
    throw fail(
      'state',
      `kernel "${name}"`,
      'a function with its own this',
      text.slice(0, 40),
      'Write function (this: KernelThis, …) { … }.',
    );
  }
  return `function ${text}`;
}

function argumentNames(kernel: Kernel): string[] {
  return utilities.utils.getArgumentNamesFromString(functionText(kernel));
}

function threadCount(kernel: Kernel): number {
  const [x, y = 1, z = 1] = kernel.threads;
  const count = x * y * z;
  if (Number.isInteger(count) && count >= 1 && count < 2 ** 31) return count;
  throw fail(
    'state',
    `kernel "${kernel.name}"`,
    'between 1 and 2^31 - 1 threads',
    `[${kernel.threads.join(',')}]`,
    'Use a smaller batch or split the tensor.',
  );
}

/** Workgroups in x and y: no dimension may exceed the limit, and few groups should be idle. */
function fold(count: number, limits: ShaderLimits, where: string): [number, number, number] {
  const most = limits.maxComputeWorkgroupsPerDimension;
  const y = Math.ceil(count / most);
  if (y > most) throw fail('device', where, `at most ${most * most} workgroups`, `${count}`, 'Use a smaller batch.');
  return [Math.ceil(count / y), y, 1];
}

const declarations = ({ variables, accessors }: BoundArrays): string => [variables, FLOOR_DIV, accessors].filter(Boolean).join('\n');

function storeRows(width: number, rows: number, arrays: BoundArrays): string {
  const stores = ['x', 'y', 'z', 'w'].map((component, row) => {
    const store = arrays.store(`base + ${row * width}`, `rows.${component}`);
    const certain = rows % 4 === 0 || row < rows % 4;
    return certain ? `  ${store}` : `  if (y + ${row} < ${rows}) { ${store} }`;
  });
  return `fn storeRows(rows : vec4<f32>) {
  let y : i32 = i32(threadGid.y) * 4;
  let base : i32 = (i32(threadGid.z) * ${rows} + y) * ${width} + i32(threadGid.x);
${stores.join('\n')}
}
`;
}

const USED = [
  ...['getType', 'getDeclaration', 'isAstMathFunction', 'astErrorOutput', 'pushState', 'popState', 'castLiteralToInteger', 'astGeneric'],
  'castLiteralToFloat',
  ...['astVariableDeclaration', 'astCallExpression', 'astConditionalExpression', 'astReturnStatement', 'memberExpressionPropertyMarkup'],
] as const;

/** Fails loudly when gpu.js is not the one that this file was written for. */
export function checkGpujs(node: object = Object.getPrototypeOf(WgslNode.prototype)): void {
  for (const method of USED) {
    if (typeof (node as Record<string, unknown>)[method] !== 'function') throw unknownGpujs(`no WGSLFunctionNode.${method}`);
  }
  if (typeof builder.FunctionBuilder?.fromKernel !== 'function') throw unknownGpujs('no FunctionBuilder.fromKernel');
}

function unknownGpujs(found: string): Error {
  const { version } = createRequire(import.meta.url)('gpu.js/package.json') as { version: string };
  return fail(
    'state',
    `gpu.js ${version}`,
    'the compiler internals of gpu.js 2.24.1',
    found,
    'Install gpu.js 2.24.1 exactly (npm ci), or adapt core/kernels/wgslNode.ts.',
  );
}
