import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import gpujs from 'gpu.js';
import builder from 'gpu.js/src/backend/function-builder.js';
import functionNode from 'gpu.js/src/backend/web-assembly/function-node.js';
import wasmKernel from 'gpu.js/src/backend/web-assembly/kernel.js';
import wasmBuilder from 'gpu.js/src/backend/web-assembly/wasm-builder.js';
import { WasmCompiler } from '../../../core/kernels/gpujsWasm.ts';
import type { Kernel, KernelThis, Quad } from '../../../core/kernels/kernel.ts';

const json = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));

describe('gpu.js, whose internals the wasm adapter uses', () => {
  const fix = 'adapt core/kernels/gpujsWasm.ts and core/kernels/wasmNode.ts before taking another gpu.js';

  it('should be exactly 2.24.1, installed and asked for @smoke', () => {
    assert.equal(json('../../../package.json').dependencies['gpu.js'], '2.24.1', fix);
    assert.equal(json('../../../node_modules/gpu.js/package.json').version, '2.24.1', fix);
  });

  it('should have every method that the node class overrides or calls', () => {
    const node = functionNode.WebAssemblyFunctionNode.prototype as unknown as Record<string, unknown>;
    const used = [
      ...['emitFunction', 'emitVectorFunction', 'getType', 'exprCall', 'vexprCall', 'stmtVariableDeclaration', 'vDeclareVarying'],
      ...['emitFlatLoad', 'vGather', 'stmtRootReturn', 'vStoreOutput', 'isAstMathFunction', 'isThreadDependent', 'getDeclaration'],
      ...['astErrorOutput', 'emitByType', 'vEmitByType', 'emitIndex', 'vEmitIndex', 'vZero', 'emitArrayElement', 'emitClampScalarIndex'],
      ...['setScalarLocal', 'vSetVaryingScalar'],
    ];
    for (const method of used) assert.equal(typeof node[method], 'function', `no WebAssemblyFunctionNode.${method}: ${fix}`);
  });

  it('should have the kernel class, its steps and the public entries that the compiler drives', () => {
    const kernel = wasmKernel.WebAssemblyKernel.prototype as unknown as Record<string, unknown>;
    for (const method of ['setupConstants', 'setupArguments', 'validateSettings', 'translateSource']) {
      assert.equal(typeof kernel[method], 'function', `no WebAssemblyKernel.${method}: ${fix}`);
    }
    assert.equal(typeof builder.FunctionBuilder.fromKernel, 'function', fix);
    const entries = gpujs as unknown as Record<string, unknown>;
    for (const entry of ['GPU', 'input']) assert.equal(typeof entries[entry], 'function', `no ${entry}: ${fix}`);
  });

  it('should write the opcodes that the adapter asks for', () => {
    const module = new wasmBuilder.WasmModuleBuilder();
    const em = module.addFunction('test', { params: ['i32'], results: ['i32'] }) as unknown as Record<string, unknown>;
    const used = [
      ...['addLocal', 'block', 'loop', 'if_', 'end', 'br', 'brIf', 'call', 'select', 'return_', 'localGet', 'localSet', 'localTee'],
      ...['globalGet', 'globalSet', 'i32Const', 'i32Add', 'i32Sub', 'i32Mul', 'i32DivS', 'i32DivU', 'i32RemS', 'i32RemU', 'i32And'],
      ...['i32Xor', 'i32Shl', 'i32Ne', 'i32LtS', 'i32GeS', 'f32Store', 'f32ConvertI32U', 'f32x4ReplaceLane', 'i32x4ExtractLane'],
      ...['i32x4ReplaceLane', 'i32x4MaxS', 'i32x4MinS', 'v128ConstI32x4', 'v128Load', 'v128Store'],
    ];
    for (const opcode of used) assert.equal(typeof em[opcode], 'function', `no emitter method ${opcode}: ${fix}`);
    assert.ok(Array.isArray(em.bytes), `the emitter keeps no bytes: ${fix}`);
  });
});

/** Offsets whose LEB128 is five bytes long, or at least distinctive. */
const offsets = { a: 0x12340, b: 0x23440, output: 0x34540 } as const;
const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]);
const load = { v128: [0xfd, 0x00, 2], f32: [0x2a, 2] };

function compile(
  kernel: Kernel,
  { length = 64, dtype = 'f32' as 'f32' | 'u8', compiler = new WasmCompiler(), a = offsets.a as number } = {},
) {
  const inputs = [
    { offset: a, length, dtype },
    { offset: offsets.b, length, dtype: 'f32' as const },
  ].slice(0, kernel.run.length);
  return compiler.compile(kernel, { inputs, outputOffset: offsets.output, maximumPages: 65536, shared: true });
}
const contains = (bytes: Uint8Array, wanted: readonly number[]) => Buffer.from(bytes).includes(Buffer.from(wanted));
/** How the module loads from the array at `a`: four lanes at once, lane by lane, or both (the single threads at the end). */
const vectorLoad = (bytes: Uint8Array, a: number = offsets.a) => contains(bytes, [...load.v128, ...leb(a)]);

const kernelOf = (run: Kernel['run'], more: Partial<Kernel> = {}): Kernel => ({ name: 'sample', run, threads: [64], ...more });

describe('WasmCompiler', () => {
  it('should write a valid module and say how much work there is', () => {
    const run = function (this: KernelThis, a: Float32Array) {
      return a[this.thread.x]! * 2;
    };
    const { bytes, math, units } = compile(kernelOf(run));
    assert.ok(WebAssembly.validate(bytes));
    assert.deepEqual(math, []);
    assert.equal(units, 1);
    const module = new WebAssembly.Module(bytes);
    assert.deepEqual(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
    assert.deepEqual(
      WebAssembly.Module.exports(module).map(({ name }) => name),
      ['run'],
    );
    // one dimension in blocks of 1,024 threads, more in rows along x
    assert.equal(compile(kernelOf(run, { threads: [2049] })).units, 3);
    assert.equal(compile(kernelOf(run, { threads: [7, 5, 3] })).units, 15);
  });

  it('should say which functions of Math the module imports', () => {
    const run = function (this: KernelThis, a: Float32Array) {
      return Math.exp(a[this.thread.x]!) + Math.log(a[this.thread.x]!) + Math.sqrt(a[this.thread.x]!);
    };
    const { bytes, math } = compile(kernelOf(run));
    assert.deepEqual(math, ['exp', 'log']);
    assert.deepEqual(
      WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(({ name }) => name),
      ['memory', 'math_exp', 'math_log'],
    );
  });

  it('should give the same module on every pass over the same tree: loop counters stay integers', () => {
    const run = function (this: KernelThis, a: Float32Array, b: Float32Array) {
      let sum = 0;
      for (let i = 0; i < this.constants.n!; i++) {
        for (let j = 0; j < 3; j++) {
          const at = i * 3 + j;
          sum += a[at]! * b[at + this.thread.x]!;
        }
      }
      return sum;
    };
    const compiler = new WasmCompiler();
    const kernel = kernelOf(run, { integers: { n: 4 } });
    const first = compile(kernel, { compiler });
    for (let pass = 0; pass < 3; pass++) assert.deepEqual(compile(kernel, { compiler }).bytes, first.bytes);
    assert.deepEqual(compile(kernel).bytes, first.bytes);
  });

  const contiguous: [string, Kernel['run']][] = [
    [
      'thread.x',
      function (this: KernelThis, a: Float32Array) {
        return a[this.thread.x]!;
      },
    ],
    [
      'a uniform expression + thread.x',
      function (this: KernelThis, a: Float32Array) {
        let sum = 0;
        for (let i = 0; i < this.constants.n!; i++) sum += a[(this.thread.y * this.constants.n! + i) * 8 + this.thread.x]!;
        return sum;
      },
    ],
    [
      'a const local of that, minus a uniform one',
      function (this: KernelThis, a: Float32Array) {
        const at = this.thread.x + this.constants.n! * 2;
        const back = at - this.constants.n!;
        return a[back]!;
      },
    ],
  ];
  for (const [what, run] of contiguous) {
    it(`should load four lanes at once at ${what}`, () => {
      const { bytes } = compile(kernelOf(run, { threads: [8, 2], integers: { n: 3 } }));
      assert.ok(vectorLoad(bytes));
    });
  }

  const scattered: [string, Kernel['run']][] = [
    [
      'twice thread.x',
      function (this: KernelThis, a: Float32Array) {
        return a[this.thread.x * 2]!;
      },
    ],
    [
      'a uniform value minus thread.x',
      function (this: KernelThis, a: Float32Array) {
        return a[this.constants.n! - this.thread.x]!;
      },
    ],
    [
      'thread.x + thread.x',
      function (this: KernelThis, a: Float32Array) {
        const x = this.thread.x;
        return a[x + this.thread.x]!;
      },
    ],
    [
      'a local whose name was contiguous in an earlier block',
      function (this: KernelThis, a: Float32Array, b: Float32Array) {
        let sum = 0;
        for (let i = 0; i < 2; i++) {
          const at = this.thread.x + i;
          sum += b[at]!;
        }
        for (let i = 0; i < 2; i++) {
          const at = this.thread.x * 2 + i;
          sum += a[at]!;
        }
        return sum;
      },
    ],
    [
      'places under a condition that differs between lanes',
      function (this: KernelThis, a: Float32Array) {
        let sum = 0;
        if (this.thread.x > 2) {
          sum += a[this.thread.x - 3]!;
        }
        return sum;
      },
    ],
  ];
  for (const [what, run] of scattered) {
    it(`should load lane by lane at ${what}`, () => {
      const { bytes } = compile(kernelOf(run, { integers: { n: 63 } }));
      assert.ok(!vectorLoad(bytes));
      assert.ok(contains(bytes, [...load.f32, ...leb(offsets.a)]));
    });
  }

  it('should address memory beyond 2 GiB', () => {
    const run = function (this: KernelThis, a: Float32Array) {
      return a[this.thread.x]!;
    };
    const far = 3 * 2 ** 30 + 64;
    const { bytes } = compile(kernelOf(run), { a: far });
    assert.ok(vectorLoad(bytes, far));
    assert.ok(compile(kernelOf(run), { a: far, dtype: 'u8' }).bytes.length > 0);
  });

  it('should refuse Math.random: it could not be replayed', () => {
    const run = function (this: KernelThis, a: Float32Array) {
      return Math.random() * a[0]!;
    };
    assert.throws(() => compile(kernelOf(run)), /kernel sample: Math\.random is not reproducible here; hash a counter instead/);
  });

  it('should refuse rows without four values, and four values without rows, also of a function it knows', () => {
    const one = function (this: KernelThis, a: Float32Array) {
      return a[0]!;
    };
    const four = function (this: KernelThis, a: Float32Array): Quad {
      return [a[0]!, 0, 0, 0];
    };
    const message = /kernel sample: four values are returned exactly when the kernel states its rows/;
    const compiler = new WasmCompiler();
    compile(kernelOf(one, { threads: [4, 1] }), { compiler });
    assert.throws(() => compile(kernelOf(one, { threads: [4, 1], rows: 4 }), { compiler }), message);
    compile(kernelOf(four, { threads: [4, 1], rows: 4 }), { compiler });
    assert.throws(() => compile(kernelOf(four, { threads: [4, 1] }), { compiler }), message);
  });

  it('should refuse a return of rows under a condition that depends on thread.x', () => {
    const run = function (this: KernelThis, a: Float32Array): Quad {
      if (this.thread.x > 1) return [a[0]!, 0, 0, 0];
      return [0, 0, 0, 0];
    };
    assert.throws(
      () => compile(kernelOf(run, { threads: [4, 1], rows: 4 })),
      /must return once, outside any condition that depends on thread\.x/,
    );
  });

  it('should refuse a name declared twice where both are visible', () => {
    // as text because the transpiler would rename the inner one
    const inner = 'const i = this.thread.x; let s = 0; for (let k = 0; k < 4; k++) { const i = a[k]; s += i; } return s;';
    assert.throws(() => compile(kernelOf(new Function('a', inner) as Kernel['run'])), /"i" is declared twice where both are visible/);
    const argument = 'let s = 0; for (let k = 0; k < 4; k++) { const a = this.thread.x; s += a; } return s;';
    assert.throws(() => compile(kernelOf(new Function('a', argument) as Kernel['run'])), /"a" is declared twice where both are visible/);
  });

  it('should name the kernel that gpu.js cannot compile', () => {
    const run = new Function('a', 'return helper(a[0]);') as Kernel['run'];
    assert.throws(() => compile(kernelOf(run)), /kernel sample: [\s\S]*helper/);
  });
});
