import type { Initializer, Layout, Tensor } from '../ops/op.ts';
import { elements, type Shape } from '../shape.ts';
import type { Program, ProgramNode, Segment, TensorEntry, TensorKind } from './program.ts';

/** Writes a program: ops call `emit` with the primitives of their forward and backward directions. */
export class ProgramBuilder {
  readonly #tensors: Record<string, TensorEntry> = {};
  readonly #nodes: ProgramNode[] = [];
  readonly #gradients: Record<string, string> = {};
  segment: Segment = 'forward';
  /** The graph node that primitives are written for. */
  node = '';

  declare(name: string, kind: TensorKind, shape: Shape, more: { dtype?: 'f32' | 'u8'; layout?: Layout; init?: Initializer } = {}): Tensor {
    if (this.#tensors[name]) throw new Error(`program: tensor "${name}" is declared twice`);
    if (elements(shape) < 1) throw new Error(`program: tensor "${name}" has no elements: [${shape.join(',')}]`);
    const entry: TensorEntry = {
      name,
      kind,
      shape,
      dtype: more.dtype ?? 'f32',
      ...(more.layout && { layout: more.layout }),
      ...(more.init && { init: more.init }),
    };
    this.#tensors[name] = entry;
    return entry;
  }

  get(name: string): TensorEntry {
    const tensor = this.#tensors[name];
    if (!tensor) throw new Error(`program: no tensor "${name}"`);
    return tensor;
  }

  has(name: string): boolean {
    return name in this.#tensors;
  }

  /** A new tensor `name` computed by `primitive`; during the backward segment it counts as a gradient. */
  emit(
    primitive: string,
    name: string,
    shape: Shape,
    inputs: readonly Tensor[],
    attributes: Readonly<Record<string, unknown>> = {},
    kind?: TensorKind,
  ): Tensor {
    const output = this.declare(name, kind ?? (this.segment === 'backward' ? 'gradient' : 'activation'), shape);
    this.#push(primitive, inputs, output, attributes);
    return output;
  }

  /**
   * `primitive` overwrites the existing tensor `target`, which must be one of its inputs (`Primitive.inPlace`), and the inputs
   * `writes` besides.
   */
  update(
    primitive: string,
    target: Tensor,
    inputs: readonly Tensor[],
    attributes: Readonly<Record<string, unknown>> = {},
    writes: readonly Tensor[] = [],
  ): void {
    this.#push(primitive, inputs, target, attributes, writes);
  }

  gradientOf(parameter: Tensor, gradient: Tensor): void {
    this.#gradients[parameter.name] = gradient.name;
  }

  build(): Program {
    return { tensors: { ...this.#tensors }, nodes: [...this.#nodes], gradients: { ...this.#gradients } };
  }

  #push(
    primitive: string,
    inputs: readonly Tensor[],
    output: Tensor,
    attributes: Readonly<Record<string, unknown>>,
    writes: readonly Tensor[] = [],
  ): void {
    this.#nodes.push({
      node: this.node,
      primitive,
      attributes,
      inputs: inputs.map(tensor => tensor.name),
      output: output.name,
      ...(writes.length > 0 && { writes: writes.map(tensor => tensor.name) }),
      segment: this.segment,
    });
  }
}
