import gpujs from 'gpu.js';
import builder from 'gpu.js/src/backend/function-builder.js';
import wasmKernel from 'gpu.js/src/backend/web-assembly/kernel.js';
import wasmBuilder from 'gpu.js/src/backend/web-assembly/wasm-builder.js';
import { type Kernel, settings } from './kernel.ts';
import { WasmNode } from './wasmNode.ts';

/**
 * Adapter one of two to gpu.js's internals: compiles a kernel to a WebAssembly module that works in place on one arena.
 * gpu.js translates the function's body; memory, thread loop and stores are ours.
 */
const { GPU } = gpujs;
const input = (gpujs as unknown as { input(value: Float32Array, size: number[]): unknown }).input;
const { WebAssemblyKernel } = wasmKernel;
/** Writes WebAssembly opcode by opcode: for variants too. */
export const { WasmModuleBuilder } = wasmBuilder;

class ArenaKernel extends WebAssemblyKernel {
  /** As gpu.js's own, with our node class in place of its own. */
  override translateSource(): void {
    this.functionBuilder = builder.FunctionBuilder.fromKernel(this, WasmNode);
    this.tracedFunctions = this.functionBuilder.traceFunctionCalls('kernel', []);
    this.returnType ??= this.functionBuilder.getKernelResultType();
    this.componentCount = this.returnType === 'Array(4)' ? 4 : 1;
    const root = this.functionBuilder.functionMap.kernel!;
    this.usesRandom = root.usesRandom;
    this.usedMathImports = new Set(root.usedMathImports);
  }
}

/** One-dimensional work is handed out in blocks of this many threads; two- and three-dimensional work in rows along x. */
const BLOCK = 1024;

export interface ArenaPlace {
  readonly inputs: readonly { readonly offset: number; readonly length: number; readonly dtype: 'f32' | 'u8' }[];
  readonly outputOffset: number;
  readonly maximumPages: number;
  readonly shared: boolean;
}
export interface WasmProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names of `Math` functions that the module imports as `env.math_NAME`. */
  readonly math: readonly string[];
  /** `run(start, end)` does units start..end-1 of these, in any order and on any thread. */
  readonly units: number;
}

export class WasmCompiler {
  readonly #gpu: { createKernel(run: unknown, settings: unknown): { kernel: GpuJsKernel }; Kernel: unknown; destroy(): Promise<void> };
  readonly #translated = new Map<string, GpuJsKernel>();

  constructor() {
    this.#gpu = new GPU({ mode: 'webasm' }) as never;
    this.#gpu.Kernel = ArenaKernel;
  }

  compile(kernel: Kernel, place: ArenaPlace): WasmProgram {
    const translated = this.#translate(kernel);
    const module = new WasmModuleBuilder();
    module.addMemoryImport(1, place.maximumPages, place.shared);
    const math = [...translated.usedMathImports].sort();
    for (const name of math) module.addFuncImport(`math_${name}`, name === 'pow' || name === 'atan2' ? ['f32', 'f32'] : ['f32'], ['f32']);
    const global = () => module.addGlobal('i32', true, 0);
    const globals = { threadX: global(), threadY: global(), threadZ: global(), dataIndex: global() };
    const arrays: Record<string, GpuJsArrayPlace> = {};
    translated.argumentNames.forEach((name, i) => {
      const { offset, length, dtype } = place.inputs[i]!;
      arrays[name] = { offset, dims: [length, 1, 1], flatLength: length, dtype };
    });
    const layout = { arrays, outputOffset: place.outputOffset };
    const assembler = { module, layout, globals, helperInfo: null, ...(kernel.rows !== undefined && { rows: kernel.rows }) };
    emitFloorDivision(module);
    const root = translated.functionBuilder.functionMap.kernel!;
    root.output = translated.output;
    root.emitFunction(assembler);
    root.emitVectorFunction(assembler);
    const units = emitThreadLoop(module, globals, kernel.threads);
    const bytes = module.toBytes();
    if (!WebAssembly.validate(bytes)) throw new Error(`kernel ${kernel.name}: gpu.js wrote a WebAssembly module that is not valid`);
    return { bytes, math, units };
  }

  async destroy(): Promise<void> {
    this.#translated.clear();
    await this.#gpu.destroy();
  }

  /** Parsing and type inference depend on the function, its constants and threads, not on where its arrays lie. */
  #translate(kernel: Kernel): GpuJsKernel {
    const key = JSON.stringify([kernel.run.toString(), kernel.threads, kernel.rows !== undefined, kernel.integers, kernel.floats]);
    const known = this.#translated.get(key);
    if (known) return known;
    // what the function returns is to be found out, not believed
    const compiled = this.#gpu.createKernel(kernel.run, { ...settings(kernel), returnType: null }).kernel;
    const samples = compiled.argumentNames.map(() => input(new Float32Array(1), [1]));
    compiled.setupConstants();
    compiled.setupArguments(samples);
    compiled.validateSettings(samples);
    compiled.threadDim = [kernel.threads[0], kernel.threads[1] ?? 1, kernel.threads[2] ?? 1];
    try {
      compiled.translateSource();
    } catch (error) {
      throw new Error(`kernel ${kernel.name}: ${(error as Error).message}`, { cause: error });
    }
    if (compiled.usesRandom) throw new Error(`kernel ${kernel.name}: Math.random is not reproducible here; hash a counter instead`);
    if ((compiled.componentCount === 4) !== (kernel.rows !== undefined)) {
      throw new Error(`kernel ${kernel.name}: four values are returned exactly when the kernel states its rows`);
    }
    this.#translated.set(key, compiled);
    return compiled;
  }
}

/** Writes `run(start, end)`: walks the threads of those units, four lanes of x at a time and the rest one by one. */
function emitThreadLoop(module: GpuJsModuleBuilder, globals: GpuJsAssembler['globals'], threads: Kernel['threads']): number {
  const [sizeX, sizeY = 1, sizeZ = 1] = threads;
  const flat = threads.length === 1;
  const em = module.addFunction('run', { params: ['i32', 'i32'], locals: ['i32', 'i32', 'i32'] });
  const [unit, end, x, last, row] = [0, 1, 2, 3, 4];
  em.block().loop();
  em.localGet(unit).localGet(end).i32GeS().brIf(1);
  if (flat) {
    em.i32Const(0).localSet(row);
    em.localGet(unit).i32Const(BLOCK).i32Mul().localSet(x);
    em.localGet(x).i32Const(BLOCK).i32Add().localTee(last).i32Const(sizeX);
    em.localGet(last).i32Const(sizeX).i32LtS().select().localSet(last);
  } else {
    em.localGet(unit).i32Const(sizeY).i32RemU().globalSet(globals.threadY);
    em.localGet(unit).i32Const(sizeY).i32DivU().globalSet(globals.threadZ);
    em.localGet(unit).i32Const(sizeX).i32Mul().localSet(row);
    em.i32Const(0).localSet(x).i32Const(sizeX).localSet(last);
  }
  const each = (width: number, call: string) => {
    em.block().loop();
    em.localGet(x)
      .i32Const(width - 1)
      .i32Add()
      .localGet(last)
      .i32GeS()
      .brIf(1);
    em.localGet(x).globalSet(globals.threadX);
    em.localGet(row).localGet(x).i32Add().globalSet(globals.dataIndex);
    em.call(call);
    em.localGet(x).i32Const(width).i32Add().localSet(x).br(0).end().end();
  };
  each(4, 'kernel_simd');
  each(1, 'kernel');
  em.localGet(unit).i32Const(1).i32Add().localSet(unit).br(0).end().end();
  module.exportFunction('run');
  return flat ? Math.ceil(sizeX / BLOCK) : sizeY * sizeZ;
}

/** Rounds towards minus infinity; wasm's own division truncates. A function of its own: inlined, V8 spills the registers of the loop after it. */
function emitFloorDivision(module: GpuJsModuleBuilder): void {
  const em = module.addFunction('floorDivision', { params: ['i32', 'i32'], results: ['i32'] });
  em.localGet(0).localGet(1).i32DivS();
  em.localGet(0).localGet(1).i32RemS().i32Const(0).i32Ne();
  em.localGet(0).localGet(1).i32Xor().i32Const(0).i32LtS().i32And();
  em.i32Sub();
}
