import type { Launch } from '../kernels/kernel.ts';
import type { Variant, VariantLaunch, VariantLimits, VariantTerms } from '../kernels/variant.ts';
import { fusedIn } from '../ops/fusion.ts';
import { primitive } from '../ops/index.ts';
import type { Cost, LowerContext, Tensor } from '../ops/op.ts';
import type { Program, ProgramNode, Segment } from '../program/program.ts';
import { elements, type Shape } from '../shape.ts';

/** A program node turned into launches for one device, with the temporary tensors that only they use. */
export interface LoweredNode {
  readonly node: ProgramNode;
  readonly launches: readonly (Launch | VariantLaunch)[];
  readonly cost: Cost;
  /** Name of the variant that replaced the op's own gpu.js kernels. */
  readonly variant: string | undefined;
  /** There are variants for this device, and none takes this node's shapes and what is fused into it. */
  readonly refused: boolean;
  readonly segment: Segment;
}
export interface LoweredProgram {
  readonly nodes: readonly LoweredNode[];
  /** The program's tensors and the scratch ones. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}
export interface LowerOptions {
  /** False keeps to the definitions; names allow those variants only. */
  readonly variants?: boolean | readonly string[];
  /** `Device.largestBinding`: a node with a hand-written body for a tensor of more bytes keeps to its definition. */
  readonly largestBinding?: number;
  /** `Device.features`. */
  readonly features?: ReadonlySet<string>;
  /** `Device.limits`; by default what every WebGPU adapter grants. */
  readonly limits?: VariantLimits;
  /** True keeps from variants that round otherwise than a sum in another order does: Winograd's, Strassen's. */
  readonly exact?: boolean;
  /** True allows products that round their operands to float16. */
  readonly mixed?: boolean;
}

/** What every WebGPU adapter grants. */
const guaranteedLimits: VariantLimits = {
  workgroupBytes: 16_384,
  invocations: 256,
  storageBuffers: 8,
  groups: 65_535,
  subgroupMatrices: [],
};
type Context = LowerContext<unknown> & { readonly terms: VariantTerms };
interface Lowering {
  lower(context: Context): (Launch | VariantLaunch)[];
}

export const bytesOf = ({ shape, dtype }: Tensor): number => elements(shape) * (dtype === 'u8' ? 1 : 4);

/** Chooses a variant or the op's own kernels for every node. */
export function lower(
  program: Program,
  language: 'wgsl' | 'wasm' | 'none',
  {
    variants = true,
    largestBinding = Number.POSITIVE_INFINITY,
    features = new Set(),
    limits = guaranteedLimits,
    exact = false,
    mixed = false,
  }: LowerOptions = {},
): LoweredProgram {
  const terms = { exact, features, limits, mixed };
  const tensors = new Map<string, Tensor>(Object.entries(program.tensors));
  const device = language === 'wgsl' ? 'webgpu' : language;
  const nodes = program.nodes.map((node, position): LoweredNode => {
    const definition = primitive(node.primitive);
    const inputs = node.inputs.map(name => tensors.get(name)!);
    const output = tensors.get(node.output)!;
    const shapes = inputs.map(input => input.shape);
    const context = { attributes: node.attributes, inputs, output, terms };
    const name = `scratch ${position}`;
    const fused = fusedIn(node.attributes);
    let variant: string | undefined;
    let lowered: ReturnType<typeof lowerWith> | undefined;
    const candidates = allowed(definition.variants, variants).filter(each => each.device === device);
    for (const each of candidates) {
      if (!fused.every(attribute => each.fuses?.includes(attribute))) continue;
      if (!each.applies(node.attributes, shapes, output.shape, terms)) continue;
      const tuned = lowerWith(each, context, name);
      if (tuned.largestOperand > largestBinding) continue;
      variant = each.name;
      lowered = tuned;
      break;
    }
    lowered ??= lowerWith(definition, context, name);
    for (const tensor of lowered.scratch) tensors.set(tensor.name, tensor);
    const cost = definition.cost(node.attributes, shapes, output.shape);
    const refused = variant === undefined && candidates.length > 0;
    return { node, launches: lowered.launches, cost, variant, refused, segment: node.segment };
  });
  return { nodes, tensors };
}

function allowed(registered: readonly Variant<unknown>[] = [], wanted: boolean | readonly string[]): readonly Variant<unknown>[] {
  if (typeof wanted === 'boolean') return wanted ? registered : [];
  return registered.filter(({ name }) => wanted.includes(name));
}

/** The launches of a definition or a variant, its temporary tensors, and the bytes of the largest tensor of a hand-written body. */
function lowerWith(way: Lowering, context: Omit<Context, 'scratch'>, name: string) {
  const scratch: Tensor[] = [];
  const launches = way.lower({
    ...context,
    scratch(shape: Shape) {
      const tensor: Tensor = { name: `${name}.${scratch.length}`, shape, dtype: 'f32' };
      scratch.push(tensor);
      return tensor;
    },
  });
  const bytes = new Map([...context.inputs, context.output, ...scratch].map(tensor => [tensor.name, bytesOf(tensor)]));
  const operands = launches.flatMap(launch => ('body' in launch ? [...launch.inputs, launch.output] : []));
  return { launches, scratch, largestOperand: Math.max(0, ...operands.map(operand => bytes.get(operand)!)) };
}
