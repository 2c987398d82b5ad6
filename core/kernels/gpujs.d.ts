/**
 * What Millrace uses of gpu.js 2.24.1 (pinned exactly): its public GPU and input, and the compilers behind its web-assembly
 * and webgpu back ends, which it exports without types. Contract specs fail loudly when these change.
 */
declare module 'gpu.js/src/backend/web-assembly/kernel.js' {
  const exports: { WebAssemblyKernel: GpuJsKernelClass };
  export default exports;
}
declare module 'gpu.js/src/backend/web-assembly/function-node.js' {
  const exports: { WebAssemblyFunctionNode: new (...settings: unknown[]) => GpuJsWasmNode };
  export default exports;
}
declare module 'gpu.js/src/backend/web-assembly/wasm-builder.js' {
  const exports: { WasmModuleBuilder: new () => GpuJsModuleBuilder };
  export default exports;
}
declare module 'gpu.js/src/backend/web-gpu/function-node.js' {
  const exports: { WGSLFunctionNode: new (...settings: unknown[]) => GpuJsWgslNode };
  export default exports;
}
declare module 'gpu.js/src/utils.js' {
  const exports: { utils: { sanitizeName(name: string): string; getArgumentNamesFromString(source: string): string[] } };
  export default exports;
}
declare module 'gpu.js/package.json' {
  const exports: { version: string };
  export default exports;
}
declare module 'gpu.js/src/backend/function-builder.js' {
  const exports: { FunctionBuilder: { fromKernel(kernel: unknown, node: unknown): GpuJsFunctionBuilder } };
  export default exports;
}

/** An acorn syntax tree, as gpu.js walks it. */
interface GpuJsAst {
  readonly type: string;
  readonly operator?: string;
  readonly kind?: string;
  readonly name?: string;
  readonly computed?: boolean;
  readonly left?: GpuJsAst;
  readonly right?: GpuJsAst;
  readonly object?: GpuJsAst;
  readonly property?: GpuJsAst;
  readonly callee?: GpuJsAst;
  readonly argument?: GpuJsAst;
  readonly arguments?: readonly GpuJsAst[];
  readonly elements?: readonly GpuJsAst[];
  readonly declarations?: readonly GpuJsAst[];
  readonly id?: GpuJsAst;
  readonly init?: GpuJsAst;
  readonly test?: GpuJsAst;
  readonly consequent?: GpuJsAst;
  readonly alternate?: GpuJsAst;
}
type GpuJsKernelClass = new (source: unknown, settings: unknown) => GpuJsKernel;
interface GpuJsKernel {
  output: number[];
  threadDim: number[];
  returnType: string | null;
  componentCount: number;
  argumentNames: string[];
  constants: Record<string, number>;
  functionBuilder: GpuJsFunctionBuilder;
  tracedFunctions: string[];
  usesRandom: boolean;
  usedMathImports: Set<string>;
  setupConstants(): void;
  setupArguments(samples: unknown[]): void;
  validateSettings(samples: unknown[]): void;
  translateSource(): unknown;
}
interface GpuJsFunctionBuilder {
  getPrototypes(name: string): string[];
  functionMap: Record<string, GpuJsWasmNode>;
  traceFunctionCalls(name: string, list: string[]): string[];
  getKernelResultType(): string;
}
interface GpuJsLocal {
  kind: string;
  index: number;
  wtype: string;
}
interface GpuJsLayout {
  readonly arrays: Record<string, GpuJsArrayPlace>;
  readonly outputOffset: number;
}
interface GpuJsArrayPlace {
  readonly offset: number;
  readonly dims: readonly [number, number, number];
  readonly flatLength: number;
  readonly dtype: 'f32' | 'u8';
}
interface GpuJsAssembler {
  readonly module: GpuJsModuleBuilder;
  readonly layout: GpuJsLayout;
  readonly globals: { threadX: number; threadY: number; threadZ: number; dataIndex: number };
  readonly rows?: number;
  readonly helperInfo: null;
}
interface GpuJsWasmNode {
  em: GpuJsEmitter;
  assembler: GpuJsAssembler | undefined;
  output: number[];
  argumentNames: string[];
  vec: boolean;
  vMaskDepth: number;
  vCur: number;
  vRetMask: number;
  returnType: string;
  usesRandom: boolean;
  usedMathImports: Set<string>;
  literalTypes: Record<string, string>;
  locals: Map<string, GpuJsLocal>;
  taintedLocals: Set<string>;
  vInfo: { exprVarying(ast: GpuJsAst): boolean } | undefined;
  emitFunction(assembler: GpuJsAssembler): void;
  emitVectorFunction(assembler: GpuJsAssembler): void;
  getType(ast: GpuJsAst): string;
  isAstMathFunction(ast: GpuJsAst): boolean;
  isThreadDependent(ast: GpuJsAst): boolean;
  getDeclaration(id: GpuJsAst): { valueType: string };
  astErrorOutput(message: string, ast: GpuJsAst): Error;
  exprCall(ast: GpuJsAst): string;
  vexprCall(ast: GpuJsAst): string;
  expression(ast: GpuJsAst): string;
  vexpr(ast: GpuJsAst): string;
  emitByType(ast: GpuJsAst, want: 'f32' | 'i32'): string;
  vEmitByType(ast: GpuJsAst, want: 'vf32' | 'vi32'): string;
  emitIndex(property: GpuJsAst): void;
  emitFlatLoad(table: string, name: string, x: GpuJsAst, y: GpuJsAst | undefined, z: GpuJsAst | undefined, node: GpuJsAst): string;
  vGather(table: string, name: string, x: GpuJsAst, y: GpuJsAst | undefined, z: GpuJsAst | undefined, node: GpuJsAst): string;
  vEmitIndex(property: GpuJsAst): void;
  vZero(): void;
  emitArrayElement(element: GpuJsAst): void;
  emitClampScalarIndex(max: number): void;
  setScalarLocal(name: string, wtype: string, gtype: string, emitInit: () => void): void;
  vSetVaryingScalar(name: string, wtype: string, gtype: string, emitInit: () => void): void;
  stmtVariableDeclaration(node: GpuJsAst): void;
  vDeclareVarying(declaration: GpuJsAst, node: GpuJsAst): void;
  stmtRootReturn(ast: GpuJsAst, type: string): void;
  vStoreOutput(components: number[]): void;
}
interface GpuJsModuleBuilder {
  addMemoryImport(initial: number, maximum: number, shared: boolean): this;
  addFuncImport(name: string, params: string[], results: string[]): number;
  addGlobal(type: string, mutable: boolean, value: number): number;
  addFunction(name: string, signature: { params?: string[]; results?: string[]; locals?: string[] }): GpuJsEmitter;
  exportFunction(name: string): void;
  toBytes(): Uint8Array<ArrayBuffer>;
}
/** One method an opcode; only those used here are listed. Each returns the emitter. */
interface GpuJsEmitter {
  readonly bytes: number[];
  addLocal(type: string): number;
  block(): this;
  loop(): this;
  if_(): this;
  end(): this;
  br(depth: number): this;
  brIf(depth: number): this;
  call(name: string): this;
  select(): this;
  return_(): this;
  localGet(index: number): this;
  localSet(index: number): this;
  localTee(index: number): this;
  globalGet(index: number): this;
  globalSet(index: number): this;
  i32Const(value: number): this;
  f32Const(value: number): this;
  i32Add(): this;
  i32Sub(): this;
  i32Mul(): this;
  i32DivS(): this;
  i32DivU(): this;
  i32RemS(): this;
  i32RemU(): this;
  i32And(): this;
  i32Xor(): this;
  i32Shl(): this;
  i32Eqz(): this;
  i32Ne(): this;
  i32LtS(): this;
  i32GeS(): this;
  f32Load(offset: number): this;
  f32Store(offset: number): this;
  f32ConvertI32U(): this;
  i32TruncSatF32S(): this;
  f32Mul(): this;
  f32Add(): this;
  f32x4Splat(): this;
  f32x4Mul(): this;
  f32x4Add(): this;
  f32x4ReplaceLane(lane: number): this;
  f32x4ExtractLane(lane: number): this;
  i32x4Splat(): this;
  i32x4ExtractLane(lane: number): this;
  i32x4ReplaceLane(lane: number): this;
  i32x4MaxS(): this;
  i32x4MinS(): this;
  i32x4TruncSatF32x4S(): this;
  v128ConstI32x4(a: number, b: number, c: number, d: number): this;
  v128Load(offset: number, align: number): this;
  v128Store(offset: number, align: number): this;
  v128Bitselect(): this;
  v128Not(): this;
}
/** What the webgpu adapter uses of gpu.js's WGSL compiler; every `ast…` method appends text to `out` and returns it. */
interface GpuJsWgslNode {
  returnType: string | null;
  argumentNames: string[];
  getType(ast: GpuJsAst): string;
  getDeclaration(id: GpuJsAst): { valueType: string };
  isAstMathFunction(ast: GpuJsAst): boolean;
  astErrorOutput(message: string, ast: GpuJsAst): Error;
  pushState(state: string): void;
  popState(state: string): void;
  castLiteralToInteger(ast: GpuJsAst, out: string[]): string[];
  castLiteralToFloat(ast: GpuJsAst, out: string[]): string[];
  astGeneric(ast: GpuJsAst, out: string[]): string[];
  astVariableDeclaration(ast: GpuJsAst, out: string[]): string[];
  astCallExpression(ast: GpuJsAst, out: string[]): string[];
  astConditionalExpression(ast: GpuJsAst, out: string[]): string[];
  astReturnStatement(ast: GpuJsAst, out: string[]): string[];
  memberExpressionPropertyMarkup(property: GpuJsAst): string;
}
