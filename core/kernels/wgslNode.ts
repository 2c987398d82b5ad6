import functionNode from 'gpu.js/src/backend/web-gpu/function-node.js';

/**
 * gpu.js's compiler from JavaScript to WGSL, taught what `kernel.ts` promises: exact integers in `const` locals, exact
 * integer division, integer minimum and maximum, integers of floats, roundings that stay where they are, four rows a thread, and branches
 * of `?:` that read no memory they must not.
 */
const { WGSLFunctionNode } = functionNode;

const isInteger = (type: string) => type === 'Integer' || type === 'LiteralInteger';
const COMPARISONS = new Set(['<', '<=', '>', '>=', '==', '!=', '===', '!==']);
/** `Math` functions that mean the same on every device (`round` does not: halves go up, or to the even number), spelt alike in WGSL. */
const FUNCTIONS = new Set(['abs', 'ceil', 'cos', 'exp', 'floor', 'log', 'log2', 'max', 'min', 'sign', 'sin', 'sqrt']);

/**
 * What `Math.fround` becomes. A driver may fuse a product with a sum that follows, and divide by way of a reciprocal: WGSL allows it both.
 * `rounded` has the bits of x in its hands: it adds one that is always 0, which only the length of the output tells. `quotient` divides the
 * significands bit by bit, 25 of them, of which the last and what is left decide how it is rounded; what lies outside of normal
 * numbers it leaves to the device.
 */
export const ROUNDED = `fn rounded(x : f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(x) | (arrayLength(&result) >> 31u));
}
fn quotient(a : f32, b : f32) -> f32 {
  let x = bitcast<u32>(a);
  let y = bitcast<u32>(b);
  let above = i32((x >> 23u) & 255u);
  let below = i32((y >> 23u) & 255u);
  let divisor = (y & 0x7fffffu) | 0x800000u;
  var rest = (x & 0x7fffffu) | 0x800000u;
  let shift = select(0u, 1u, rest < divisor);
  rest = rest << shift;
  let exponent = above - below + 127 - i32(shift);
  if (above == 0 || below == 0 || above == 255 || below == 255 || exponent < 1 || exponent > 253) { return a / b; }
  var bits = 0u;
  for (var i = 0; i < 25; i++) {
    let fits = select(0u, 1u, rest >= divisor);
    bits = (bits << 1u) | fits;
    rest = (rest - fits * divisor) << 1u;
  }
  let up = select(0u, bits & 1u, rest != 0u || (bits & 2u) != 0u);
  return bitcast<f32>(((x ^ y) & 0x80000000u) | ((u32(exponent) << 23u) + (bits >> 1u) + up - 0x800000u));
}`;

export class WgslNode extends WGSLFunctionNode {
  /** Whether the thread returns four rows: `return [a, b, c, d]` becomes a call of `storeRows`, which the adapter writes. */
  storesRows = false;

  override getType(ast: GpuJsAst): string {
    if (Array.isArray(ast)) return super.getType(ast);
    if (this.integerDivision(ast) || this.integerExtreme(ast) || this.integerChoice(ast) || this.integerPart(ast)) return 'Integer';
    // gpu.js knows only < and > as comparisons, and gives the others their operands' type
    if (ast.type === 'BinaryExpression' && COMPARISONS.has(ast.operator!)) return 'Boolean';
    if (ast.type === 'UnaryExpression' && ast.operator === '!') return 'Boolean';
    return super.getType(ast);
  }

  /** The quotient in `Math.floor(a / b)` of two integers. */
  private integerDivision(ast: GpuJsAst): GpuJsAst | undefined {
    if (!this.isAstMathFunction(ast) || ast.callee!.property!.name !== 'floor') return undefined;
    const quotient = ast.arguments![0];
    if (quotient?.type !== 'BinaryExpression' || quotient.operator !== '/') return undefined;
    return isInteger(this.getType(quotient.left!)) && isInteger(this.getType(quotient.right!)) ? quotient : undefined;
  }

  /** `Math.min(a, b)` or `Math.max(a, b)` of two integers. */
  private integerExtreme(ast: GpuJsAst): string | undefined {
    if (!this.isAstMathFunction(ast) || ast.arguments!.length !== 2) return undefined;
    const name = ast.callee!.property!.name!;
    if (name !== 'min' && name !== 'max') return undefined;
    return ast.arguments!.every(argument => isInteger(this.getType(argument))) ? name : undefined;
  }

  /** The number in `Math.trunc(x)`, as an integer. */
  private integerPart(ast: GpuJsAst): GpuJsAst | undefined {
    return this.isAstMathFunction(ast) && ast.callee!.property!.name === 'trunc' ? ast.arguments![0] : undefined;
  }

  /** `test ? a : b` of two integers. */
  private integerChoice(ast: GpuJsAst): boolean {
    return ast.type === 'ConditionalExpression' && isInteger(this.getType(ast.consequent!)) && isInteger(this.getType(ast.alternate!));
  }

  /** Writes an integer expression as i32. */
  private emitInteger(ast: GpuJsAst, out: string[]): void {
    if (this.getType(ast) === 'LiteralInteger') {
      this.castLiteralToInteger(ast, out);
      return;
    }
    this.pushState('building-integer');
    this.astGeneric(ast, out);
    this.popState('building-integer');
  }

  override astVariableDeclaration(node: GpuJsAst, out: string[]): string[] {
    for (const declaration of node.declarations!) {
      this.refuseShadowing(declaration);
      // gpu.js would make a float of it, exact only to 2^24
      if (node.kind === 'const' && declaration.init && isInteger(this.getType(declaration.init))) {
        this.getDeclaration(declaration.id!).valueType = 'Integer';
        const [name, value]: [string[], string[]] = [[], []];
        this.astGeneric(declaration.id!, name);
        this.emitInteger(declaration.init, value);
        out.push(`let ${name.join('')} : i32 = ${value.join('')};\n`);
      } else {
        super.astVariableDeclaration(Object.assign({}, node, { declarations: [declaration] }), out);
      }
    }
    return out;
  }

  /** gpu.js would give a name that is declared again in an inner block the type of the outer one. */
  private refuseShadowing(declaration: GpuJsAst): void {
    const { name } = declaration.id!;
    const known = this.getDeclaration(declaration.id!) as { ast?: GpuJsAst } | null;
    if ((known?.ast && known.ast.id !== declaration.id) || this.argumentNames.includes(name!)) {
      throw this.astErrorOutput(`"${name}" is declared twice where both are visible: give the inner one another name`, declaration);
    }
  }

  override astCallExpression(ast: GpuJsAst, out: string[]): string[] {
    const quotient = this.integerDivision(ast);
    const extreme = this.integerExtreme(ast);
    if (quotient || extreme) {
      const [a, b] = quotient ? [quotient.left!, quotient.right!] : [ast.arguments![0]!, ast.arguments![1]!];
      out.push(quotient ? 'floorDiv(' : `${extreme}(`);
      this.emitInteger(a, out);
      out.push(', ');
      this.emitInteger(b, out);
      out.push(')');
      return out;
    }
    const number = this.integerPart(ast);
    if (number) {
      out.push('i32(');
      this.astGeneric(number, out);
      out.push(')');
      return out;
    }
    const name = this.isAstMathFunction(ast) ? ast.callee!.property!.name! : undefined;
    if (!name) throw this.astErrorOutput('a kernel calls functions of Math only', ast);
    if (name === 'fround') {
      this.emitRounded(ast.arguments![0]!, out);
      return out;
    }
    if (!FUNCTIONS.has(name)) throw this.astErrorOutput(`Math.${name} differs between devices: build it from Math.exp and Math.log`, ast);
    return super.astCallExpression(ast, out);
  }

  /** `Math.fround(x)` by the functions of `ROUNDED`, which no compiler sees through. */
  private emitRounded(ast: GpuJsAst, out: string[]): void {
    const isQuotient = ast.type === 'BinaryExpression' && ast.operator === '/';
    const operands = isQuotient ? [ast.left!, ast.right!] : [ast];
    out.push(isQuotient ? 'quotient(' : 'rounded(');
    operands.forEach((operand, i) => {
      const text: string[] = [];
      const type = this.getType(operand);
      if (type === 'LiteralInteger') this.castLiteralToFloat(operand, text);
      else if (type === 'Integer') this.emitInteger(operand, text);
      else this.astGeneric(operand, text);
      out.push(i > 0 ? ', ' : '', type === 'Integer' ? `f32(${text.join('')})` : text.join(''));
    });
    out.push(')');
  }

  override astConditionalExpression(ast: GpuJsAst, out: string[]): string[] {
    const choice: string[] = [];
    if (this.integerChoice(ast)) {
      choice.push('select(');
      this.emitInteger(ast.alternate!, choice);
      choice.push(', ');
      this.emitInteger(ast.consequent!, choice);
      choice.push(', ');
      this.astGeneric(ast.test!, choice);
      choice.push(')');
    } else {
      super.astConditionalExpression(ast, choice);
    }
    // WGSL's select computes both sides, so the side not taken may index anything: it is kept inside its array
    out.push(choice.join('').replaceAll('get_user_', 'clamped_user_'));
    return out;
  }

  override memberExpressionPropertyMarkup(property: GpuJsAst): string {
    if (property.type === 'BinaryExpression' && !isInteger(this.getType(property))) {
      throw this.astErrorOutput('an index is computed in floats, which are exact only to 2^24: use integers and const locals', property);
    }
    return super.memberExpressionPropertyMarkup(property);
  }

  override astReturnStatement(ast: GpuJsAst, out: string[]): string[] {
    if (!this.storesRows) return super.astReturnStatement(ast, out);
    if (!ast.argument || this.getType(ast.argument) !== 'Array(4)') {
      throw this.astErrorOutput('a kernel that states rows returns [a, b, c, d]', ast);
    }
    this.returnType ??= 'Array(4)';
    out.push('storeRows(');
    this.astGeneric(ast.argument, out);
    out.push(');\nreturn;');
    return out;
  }
}
