import type { Launch } from '../kernels/kernel.ts';
import type { VariantLaunch } from '../kernels/variant.ts';
import type { Cost, Tensor } from '../ops/op.ts';
import { primitive } from '../ops/index.ts';
import type { Program, ProgramNode, Segment } from '../program/program.ts';
import type { Shape } from '../shape.ts';

/** A program node turned into launches for one device, with the temporary tensors that only they use. */
export interface LoweredNode {
  readonly node: ProgramNode;
  readonly launches: readonly (Launch | VariantLaunch)[];
  readonly cost: Cost;
  /** Name of the variant that replaced the op's own gpu.js kernels. */
  readonly variant: string | undefined;
  readonly segment: Segment;
}
export interface LoweredProgram {
  readonly nodes: readonly LoweredNode[];
  /** The program's tensors and the scratch ones. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Chooses a variant or the op's own kernels for every node. `variants: false` keeps to the definitions. */
export function lower(
  program: Program,
  language: 'wgsl' | 'wasm' | 'none',
  { variants = true }: { variants?: boolean } = {},
): LoweredProgram {
  const tensors = new Map<string, Tensor>(Object.entries(program.tensors));
  const device = language === 'wgsl' ? 'webgpu' : language;
  const nodes = program.nodes.map((node, position): LoweredNode => {
    const definition = primitive(node.primitive);
    const inputs = node.inputs.map(name => tensors.get(name)!);
    const output = tensors.get(node.output)!;
    const shapes = inputs.map(input => input.shape);
    let scratched = 0;
    const scratch = (shape: Shape): Tensor => {
      const tensor: Tensor = { name: `scratch ${position}.${scratched++}`, shape, dtype: 'f32' };
      tensors.set(tensor.name, tensor);
      return tensor;
    };
    const context = { attributes: node.attributes, inputs, output, scratch };
    const variant = variants
      ? definition.variants?.find(each => each.device === device && each.applies(node.attributes, shapes, output.shape))
      : undefined;
    return {
      node,
      launches: (variant ?? definition).lower(context),
      cost: definition.cost(node.attributes, shapes, output.shape),
      variant: variant?.name,
      segment: node.segment,
    };
  });
  return { nodes, tensors };
}
