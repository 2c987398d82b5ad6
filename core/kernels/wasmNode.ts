import functionNode from 'gpu.js/src/backend/web-assembly/function-node.js';

/**
 * gpu.js's compiler from JavaScript to WebAssembly, taught what `kernel.ts` promises: exact integers in `const` locals,
 * exact integer division, integers of floats, uint8 arrays, four rows a thread, and one vector load where four lanes read four neighbours.
 */
const { WebAssemblyFunctionNode } = functionNode;

const isInteger = (type: string) => type === 'Integer' || type === 'LiteralInteger';

export class WasmNode extends WebAssemblyFunctionNode {
  /** `const` locals in force that are `<uniform> + thread.x`, so that reading at them is contiguous over lanes. */
  private readonly contiguous = new Set<string>();

  // gpu.js remembers what a literal was cast to; a loop counter's `0`, remembered as an integer, makes the next pass over
  // the same tree declare the counter as a float. So every pass starts without that memory, like the first.
  override emitFunction(assembler: GpuJsAssembler): void {
    this.literalTypes = {};
    super.emitFunction(assembler);
  }
  override emitVectorFunction(assembler: GpuJsAssembler): void {
    this.literalTypes = {};
    this.contiguous.clear();
    super.emitVectorFunction(assembler);
  }

  override getType(ast: GpuJsAst): string {
    if (!Array.isArray(ast) && (this.integerDivision(ast) || this.integerExtreme(ast) || this.integerPart(ast))) return 'Integer';
    return super.getType(ast);
  }

  /** `Math.floor(a / b)` of two integers. */
  private integerDivision(ast: GpuJsAst): GpuJsAst | undefined {
    if (ast?.type !== 'CallExpression' || !this.isAstMathFunction(ast)) return undefined;
    if (ast.callee?.property?.name !== 'floor') return undefined;
    const quotient = ast.arguments?.[0];
    if (quotient?.type !== 'BinaryExpression' || quotient.operator !== '/') return undefined;
    return isInteger(this.getType(quotient.left!)) && isInteger(this.getType(quotient.right!)) ? quotient : undefined;
  }

  /** `Math.min(a, b)` or `Math.max(a, b)` of two integers. */
  private integerExtreme(ast: GpuJsAst): 'min' | 'max' | undefined {
    if (ast?.type !== 'CallExpression' || !this.isAstMathFunction(ast)) return undefined;
    const name = ast.callee?.property?.name;
    if ((name !== 'min' && name !== 'max') || ast.arguments?.length !== 2) return undefined;
    return ast.arguments.every(argument => isInteger(this.getType(argument))) ? name : undefined;
  }

  /** The number in `Math.trunc(x)`, as an integer. */
  private integerPart(ast: GpuJsAst): GpuJsAst | undefined {
    if (ast?.type !== 'CallExpression' || !this.isAstMathFunction(ast)) return undefined;
    return ast.callee?.property?.name === 'trunc' ? ast.arguments?.[0] : undefined;
  }

  override exprCall(ast: GpuJsAst): string {
    const number = this.integerPart(ast);
    if (number) {
      this.emitByType(number, 'f32');
      this.em.i32TruncSatF32S();
      return 'i32';
    }
    const extreme = this.integerExtreme(ast);
    if (extreme) {
      const [a, b] = [this.em.addLocal('i32'), this.em.addLocal('i32')];
      this.emitByType(ast.arguments![0]!, 'i32');
      this.em.localSet(a);
      this.emitByType(ast.arguments![1]!, 'i32');
      this.em.localSet(b);
      if (extreme === 'min') this.em.localGet(a).localGet(b).localGet(a).localGet(b).i32LtS().select();
      else this.em.localGet(b).localGet(a).localGet(a).localGet(b).i32LtS().select();
      return 'i32';
    }
    const quotient = this.integerDivision(ast);
    if (!quotient) return super.exprCall(ast);
    const a = this.em.addLocal('i32');
    const b = this.em.addLocal('i32');
    this.emitByType(quotient.left!, 'i32');
    this.em.localSet(a);
    this.emitByType(quotient.right!, 'i32');
    this.em.localSet(b);
    this.emitFloorDivision(a, b);
    return 'i32';
  }

  override vexprCall(ast: GpuJsAst): string {
    const number = this.integerPart(ast);
    if (number) {
      this.vEmitByType(number, 'vf32');
      this.em.i32x4TruncSatF32x4S();
      return 'vi32';
    }
    const extreme = this.integerExtreme(ast);
    if (extreme) {
      this.vEmitByType(ast.arguments![0]!, 'vi32');
      this.vEmitByType(ast.arguments![1]!, 'vi32');
      if (extreme === 'min') this.em.i32x4MinS();
      else this.em.i32x4MaxS();
      return 'vi32';
    }
    const quotient = this.integerDivision(ast);
    if (!quotient) return super.vexprCall(ast);
    const { em } = this;
    const [va, vb, result] = [em.addLocal('v128'), em.addLocal('v128'), em.addLocal('v128')];
    const [a, b] = [em.addLocal('i32'), em.addLocal('i32')];
    this.vEmitByType(quotient.left!, 'vi32');
    em.localSet(va);
    this.vEmitByType(quotient.right!, 'vi32');
    em.localSet(vb);
    for (let lane = 0; lane < 4; lane++) {
      em.localGet(va).i32x4ExtractLane(lane).localSet(a);
      em.localGet(vb).i32x4ExtractLane(lane).localSet(b);
      em.localGet(result);
      this.emitFloorDivision(a, b);
      em.i32x4ReplaceLane(lane).localSet(result);
    }
    em.localGet(result);
    return 'vi32';
  }

  /** Rounds towards minus infinity; wasm's own division truncates. */
  private emitFloorDivision(a: number, b: number): void {
    const { em } = this;
    em.localGet(a).localGet(b).call('floorDivision');
  }

  override stmtVariableDeclaration(node: GpuJsAst): void {
    for (const declaration of node.declarations!) {
      this.refuseShadowing(declaration);
      this.contiguous.delete(declaration.id!.name!);
      if (node.kind === 'const' && isInteger(this.getType(declaration.init!))) {
        const name = declaration.id!.name!;
        this.getDeclaration(declaration.id!).valueType = 'Integer';
        this.setScalarLocal(name, 'i32', 'Integer', () => this.emitByType(declaration.init!, 'i32'));
        if (this.isThreadDependent(declaration.init!)) this.taintedLocals.add(name);
      } else {
        super.stmtVariableDeclaration(Object.assign({}, node, { declarations: [declaration] }));
      }
    }
  }

  override vDeclareVarying(declaration: GpuJsAst, node: GpuJsAst): void {
    this.refuseShadowing(declaration);
    // an earlier block may have had another local of this name
    this.contiguous.delete(declaration.id!.name!);
    if (node.kind !== 'const' || !isInteger(this.getType(declaration.init!))) {
      super.vDeclareVarying(declaration, node);
      return;
    }
    const name = declaration.id!.name!;
    this.getDeclaration(declaration.id!).valueType = 'Integer';
    if (this.isContiguous(declaration.init!)) this.contiguous.add(name);
    this.vSetVaryingScalar(name, 'vi32', 'Integer', () => this.vEmitByType(declaration.init!, 'vi32'));
  }

  /** gpu.js would give a name that is declared again in an inner block the type and the place of the outer one. */
  private refuseShadowing(declaration: GpuJsAst): void {
    const { name } = declaration.id!;
    const known = this.getDeclaration(declaration.id!) as { ast?: GpuJsAst } | null;
    if ((known?.ast && known.ast.id !== declaration.id) || this.argumentNames.includes(name!)) {
      throw this.astErrorOutput(`"${name}" is declared twice where both are visible: give the inner one another name`, declaration);
    }
  }

  // ---- loads

  override emitFlatLoad(
    table: string,
    name: string,
    x: GpuJsAst,
    y: GpuJsAst | undefined,
    z: GpuJsAst | undefined,
    node: GpuJsAst,
  ): string {
    const place = this.assembler?.layout.arrays[name];
    if (place?.dtype !== 'u8') return super.emitFlatLoad(table, name, x, y, z, node);
    this.emitIndex(x);
    if (this.vec && this.vMaskDepth > 0) this.emitClampScalarIndex(place.flatLength - 1);
    emitByteLoad(this.em, place.offset);
    return 'f32';
  }

  override vGather(table: string, name: string, x: GpuJsAst, y: GpuJsAst | undefined, z: GpuJsAst | undefined, node: GpuJsAst): string {
    const place = this.assembler?.layout.arrays[name];
    if (!place) throw this.astErrorOutput(`no memory for "${name}": only a kernel's arguments are arrays`, node);
    if (place.dtype === 'u8') return this.gatherBytes(place, x);
    // under a mask the lanes that are switched off may point anywhere, so only gpu.js's clamped gather is safe
    if (y || z || this.vMaskDepth > 0 || !this.isContiguous(x)) return super.vGather(table, name, x, y, z, node);
    this.emitFirstLane(x);
    this.em.i32Const(2).i32Shl().v128Load(place.offset, 2);
    return 'vf32';
  }

  private gatherBytes(place: GpuJsArrayPlace, x: GpuJsAst): string {
    const { em } = this;
    const [index, result] = [em.addLocal('v128'), em.addLocal('v128')];
    this.vEmitIndex(x);
    this.vZero();
    const last = place.flatLength - 1;
    em.i32x4MaxS().v128ConstI32x4(last, last, last, last).i32x4MinS().localSet(index);
    for (let lane = 0; lane < 4; lane++) {
      em.localGet(result).localGet(index).i32x4ExtractLane(lane);
      emitByteLoad(em, place.offset);
      em.f32x4ReplaceLane(lane).localSet(result);
    }
    em.localGet(result);
    return 'vf32';
  }

  /** Whether lane i of this integer expression is lane 0 plus i. */
  private isContiguous(ast: GpuJsAst): boolean {
    if (this.isThreadX(ast)) return true;
    if (ast.type === 'Identifier') return this.contiguous.has(ast.name!);
    if (ast.type !== 'BinaryExpression' || (ast.operator !== '+' && ast.operator !== '-')) return false;
    if (!isInteger(this.getType(ast.left!)) || !isInteger(this.getType(ast.right!))) return false;
    const varying = (side: GpuJsAst) => this.vInfo!.exprVarying(side);
    if (!varying(ast.right!)) return this.isContiguous(ast.left!);
    return ast.operator === '+' && !varying(ast.left!) && this.isContiguous(ast.right!);
  }

  private isThreadX(ast: GpuJsAst): boolean {
    return (
      ast.type === 'MemberExpression' &&
      !ast.computed &&
      ast.object?.type === 'MemberExpression' &&
      ast.object.property?.name === 'thread' &&
      ast.property?.name === 'x'
    );
  }

  /** The contiguous expression's value in lane 0, as a scalar. */
  private emitFirstLane(ast: GpuJsAst): void {
    const { em } = this;
    if (this.isThreadX(ast)) em.globalGet(this.assembler!.globals.threadX);
    else if (ast.type === 'Identifier') em.localGet(this.locals.get(ast.name!)!.index).i32x4ExtractLane(0);
    else {
      for (const side of [ast.left!, ast.right!]) {
        if (this.vInfo!.exprVarying(side)) this.emitFirstLane(side);
        else this.emitByType(side, 'i32');
      }
      if (ast.operator === '+') em.i32Add();
      else em.i32Sub();
    }
  }

  // ---- stores of four rows

  override stmtRootReturn(ast: GpuJsAst, type: string): void {
    const rows = this.assembler?.rows;
    if (rows === undefined) {
      super.stmtRootReturn(ast, type);
      return;
    }
    const elements = ast.argument!.elements!;
    this.eachRow(rows, row => {
      this.emitRowAddress(row);
      this.emitArrayElement(elements[row]!);
      this.em.f32Store(this.assembler!.layout.outputOffset);
    });
    this.em.return_();
  }

  override vStoreOutput(components: number[]): void {
    const rows = this.assembler?.rows;
    if (rows === undefined) {
      super.vStoreOutput(components);
      return;
    }
    if (this.vMaskDepth > 0 || this.vRetMask !== -1) {
      throw new Error('a kernel with rows must return once, outside any condition that depends on thread.x');
    }
    this.eachRow(rows, row => {
      this.emitRowAddress(row);
      this.em.localGet(components[row]!).v128Store(this.assembler!.layout.outputOffset, 2);
    });
  }

  /** Emits the store of each of the four rows, skipped at run time where the row does not exist. */
  private eachRow(rows: number, store: (row: number) => void): void {
    const { em } = this;
    const { threadY } = this.assembler!.globals;
    for (let row = 0; row < 4; row++) {
      const guarded = rows % 4 !== 0 && row >= rows % 4;
      if (guarded) {
        em.globalGet(threadY).i32Const(4).i32Mul().i32Const(row).i32Add().i32Const(rows).i32LtS().if_();
      }
      store(row);
      if (guarded) em.end();
    }
  }

  /** Byte address of element (z, 4y + row, x) without the output's offset. */
  private emitRowAddress(row: number): void {
    const { threadX, threadY, threadZ } = this.assembler!.globals;
    const sizeX = this.output[0]!;
    this.em.globalGet(threadZ).i32Const(this.assembler!.rows!).i32Mul();
    this.em.globalGet(threadY).i32Const(4).i32Mul().i32Add().i32Const(row).i32Add();
    this.em.i32Const(sizeX).i32Mul().globalGet(threadX).i32Add().i32Const(2).i32Shl();
  }
}

/** i32.load8_u has no method in gpu.js's builder: opcode 0x2d, alignment 0, offset as LEB128. Leaves an f32. */
function emitByteLoad(em: GpuJsEmitter, offset: number): void {
  em.bytes?.push(0x2d, 0);
  let rest = offset >>> 0;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    em.bytes?.push(rest ? byte | 0x80 : byte);
  } while (rest);
  em.f32ConvertI32U();
}
