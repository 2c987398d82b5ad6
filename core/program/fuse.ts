/**
 * Fusion: a program with fewer passes over memory that computes the same. A rectifier, and the addition of a skip connection before
 * it, become attributes of the primitive whose result they work on (`core/ops/fusion.ts` says what each means), and so do their
 * gradients. What it saves, in passes over one activation of B bytes, read or written:
 *
 *   conv2d | linear, relu               forward   B read, B written: the product's own pass rectifies
 *                                       backward  B read, if it has a bias: the sums for it are taken while dy is masked
 *   batchNorm2d, relu                   forward   B read, B written
 *                                       backward  2 B read, B written: the sign is known from x, which both passes read anyway
 *   batchNorm2d, add, relu              forward   2 B read, 2 B written
 *                                       backward  B read: dy is masked while the sums are taken, in place, and then feeds the
 *                                                 batch norm and the skip connection as it is. Another B read, B written
 *                                                 where dy is a sum, of the next block's gradient and its skip connection's:
 *                                                 it is summed there too
 *
 * The results between have no tensor any more; a masked gradient takes the memory of the one that came in.
 */
import type { Program, ProgramNode } from './program.ts';

const products = new Set(['conv2d', 'linear']);
const norms = new Set(['batchNorm2d', 'batchNorm2d.evaluate']);
/** The sums over dy that can mask it, and which of their inputs it is. */
const gradientInput = new Map([
  ['conv2d.biasGradient', 0],
  ['linear.biasGradient', 0],
  ['batchNorm2d.gradientSums', 1],
]);

/**
 * Fuses what can be fused: a pure function. Nothing is fused away that another node reads, that `keep` names, that is a registered
 * gradient, or that the host reads or writes. Prune before, not after.
 */
export function fuse(program: Program, keep: readonly string[] = []): Program {
  const fusing = new Fusing(program, keep);
  for (const node of program.nodes) {
    if (node.primitive === 'relu') fusing.forward(node);
    if (node.primitive === 'relu.inputGradient') fusing.backward(node);
  }
  return fusing.result();
}

class Fusing {
  readonly #kept: ReadonlySet<string>;
  /** As it is now. */
  readonly #nodes: ProgramNode[];

  constructor(
    readonly program: Program,
    keep: readonly string[],
  ) {
    this.#kept = new Set([...keep, ...Object.values(program.gradients)]);
    this.#nodes = [...program.nodes];
  }

  result(): Program {
    const touched = new Set(this.#nodes.flatMap(({ inputs, output }) => [...inputs, output]));
    const temporary = (name: string) => ['activation', 'gradient'].includes(this.program.tensors[name].kind);
    const there = (name: string) => touched.has(name) || this.#kept.has(name) || !temporary(name);
    const tensors = Object.entries(this.program.tensors).filter(([name]) => there(name));
    return { ...this.program, tensors: Object.fromEntries(tensors), nodes: this.#nodes };
  }

  /** y = relu(x): x comes from a product, a batch norm, or the sum of a batch norm and a skip connection. */
  forward(relu: ProgramNode): void {
    const before = this.#madeFor(relu, relu.inputs[0]);
    if (!before) return;
    if (before.primitive !== 'add') {
      if (!products.has(before.primitive) && !norms.has(before.primitive)) return;
      this.#replace([before], relu, { ...before, ...this.#joined([before, relu], { relu: true }) });
      return;
    }
    // the later one of two: then the other is there before it
    const made = before.inputs.map(name => this.#madeFor(before, name));
    const position = (node: ProgramNode | undefined) => (node && norms.has(node.primitive) && plain(node) ? this.#nodes.indexOf(node) : -1);
    const index = position(made[1]) > position(made[0]) ? 1 : 0;
    const norm = made[index];
    if (position(norm) < 0) return;
    const joined = this.#joined([norm!, before, relu], { residual: true, relu: true });
    this.#replace([norm!, before], relu, { ...norm!, ...joined, inputs: [...norm!.inputs, before.inputs[1 - index]] });
  }

  /** dx = dy where y > 0: read by a batch norm's backward pass, or by a sum over it. */
  backward(relu: ProgramNode): void {
    const [y, dy] = relu.inputs;
    if (!this.#private(relu.output)) return;
    const readers = this.#readers(relu.output);
    if (this.#gate(relu, y, dy, readers)) return;
    // in place: nobody else may read or need what it overwrites
    if (!this.#private(dy) || this.#readers(dy).length !== 1) return;
    const at = this.#nodes.indexOf(relu);
    const masker = readers.find(node => {
      const from = gradientInput.get(node.primitive);
      if (from === undefined || !plain(node) || node.inputs[from] !== relu.output) return false;
      return node.inputs.every((name, i) => i === from || this.#writtenBefore(name, at));
    });
    if (!masker) return;
    const sum = masker.primitive === 'batchNorm2d.gradientSums' ? this.#sumFor(relu, dy) : undefined;
    const target = sum?.target ?? dy;
    const renamed = (name: string) => (name === relu.output ? target : name);
    this.#replace(sum ? [masker, sum.add] : [masker], relu, {
      ...masker,
      ...this.#joined([masker, relu], sum ? { mask: true, sum: true } : { mask: true }),
      inputs: [...masker.inputs.map(renamed), y, ...(sum ? [sum.other] : [])],
      output: masker.output,
      writes: [target],
    });
    for (const [i, node] of this.#nodes.entries()) {
      if (node.inputs.includes(relu.output)) this.#nodes[i] = { ...node, inputs: node.inputs.map(renamed) };
    }
  }

  /** Where `reader` alone needs dy = a + b: the addition, and which of the two gradients nobody else reads, so that it can take the sum. */
  #sumFor(reader: ProgramNode, dy: string): { add: ProgramNode; target: string; other: string } | undefined {
    const add = this.#madeFor(reader, dy);
    if (add?.primitive !== 'add') return undefined;
    const index = add.inputs.findIndex(name => this.#madeFor(add, name));
    return index < 0 ? undefined : { add, target: add.inputs[index], other: add.inputs[1 - index] };
  }

  /** Where y is a batch norm's rectified result and only its backward pass reads dx, that pass finds the sign in its own input. */
  #gate(relu: ProgramNode, y: string, dy: string, readers: readonly ProgramNode[]): boolean {
    const norm = this.#nodes.find(({ output }) => output === y);
    if (norm?.primitive !== 'batchNorm2d' || !norm.attributes.relu || norm.attributes.residual) return false;
    const [x, statistics, weight, bias] = norm.inputs;
    const own = (node: ProgramNode) =>
      plain(node) &&
      ['batchNorm2d.gradientSums', 'batchNorm2d.inputGradient'].includes(node.primitive) &&
      node.inputs[0] === x &&
      node.inputs[1] === relu.output &&
      node.inputs[2] === statistics;
    if (readers.length === 0 || !readers.every(own)) return false;
    for (const node of readers) {
      const more = node.primitive === 'batchNorm2d.gradientSums' ? [weight, bias] : [bias];
      const inputs = [...node.inputs.map(name => (name === relu.output ? dy : name)), ...more];
      this.#nodes[this.#nodes.indexOf(node)] = { ...node, ...this.#joined([node, relu], { gate: true }), inputs, output: node.output };
    }
    this.#nodes.splice(this.#nodes.indexOf(relu), 1);
    return true;
  }

  /** The node that computes `name`, if `reader` is the only one to need it. */
  #madeFor(reader: ProgramNode, name: string): ProgramNode | undefined {
    if (!this.#private(name)) return undefined;
    const readers = this.#readers(name);
    const writers = this.#nodes.filter(({ output }) => output === name);
    const only = readers.length === 1 && readers[0] === reader && reader.inputs.filter(input => input === name).length === 1;
    const [writer] = writers;
    return only && writers.length === 1 && writer.segment === reader.segment && plain(writer) ? writer : undefined;
  }

  #private(name: string): boolean {
    return !this.#kept.has(name) && ['activation', 'gradient'].includes(this.program.tensors[name].kind);
  }

  #readers(name: string): ProgramNode[] {
    return this.#nodes.filter(({ inputs }) => inputs.includes(name));
  }

  #writtenBefore(name: string, position: number): boolean {
    return this.#nodes.every(({ output }, i) => output !== name || i < position);
  }

  /** `whole` stands where the last of its parts stood. */
  #replace(parts: readonly ProgramNode[], last: ProgramNode, whole: ProgramNode): void {
    this.#nodes[this.#nodes.indexOf(last)] = whole;
    for (const part of parts) this.#nodes.splice(this.#nodes.indexOf(part), 1);
  }

  #joined(parts: readonly ProgramNode[], fused: Readonly<Record<string, true>>): Pick<ProgramNode, 'node' | 'attributes' | 'output'> {
    const attributes = { ...parts[0].attributes, ...fused };
    return { node: joinNames(parts.map(({ node }) => node)), attributes, output: parts.at(-1)!.output };
  }
}

/** Nothing has been fused into it. */
const plain = ({ attributes }: ProgramNode): boolean => !attributes.relu && !attributes.residual && !attributes.gate && !attributes.mask;

/** `layer1.0.bn2`, `layer1.0.add`, `layer1.0.relu2` → `layer1.0.bn2+add+relu2`. */
function joinNames([first, ...others]: readonly string[]): string {
  const block = first.slice(0, first.lastIndexOf('.') + 1);
  return [first, ...others.map(name => (name.startsWith(block) ? name.slice(block.length) : name))].join('+');
}
