import { z } from 'zod';
import { didYouMean } from '../closest.ts';
import { fail, show } from '../errors.ts';
import { op as findOp, opNames } from '../ops/index.ts';
import type { Op } from '../ops/op.ts';
import type { Graph, GraphNode } from './graph.ts';

/** What a node may name as its input besides other nodes: the images. */
export const imageInput = 'input';
/** Tensors of a training program that belong to no node. Everything else that is not a node's output has a colon in its name. */
export const reservedNames: ReadonlySet<string> = new Set([imageInput, 'pixels', 'normalization', 'hyper', 'targets', 'loss']);

/** A node whose op is known, whose attributes are complete and whose inputs exist. */
export interface CheckedNode {
  readonly name: string;
  /** `conv2d "layer1.0.conv1"`: how errors call it. */
  readonly where: string;
  readonly op: Op;
  /** As the op's schema returns them: defaults filled in. */
  readonly attributes: unknown;
  readonly inputs: readonly string[];
}

export const nodeLabel = (node: Pick<GraphNode, 'op' | 'name'>): string => `${node.op} "${node.name}"`;

/**
 * Everything about a graph that does not need shapes. Returns its nodes in an order in which every node comes after its
 * inputs; nodes that were listed in such an order keep it.
 * Throws a MillraceError of kind 'graph': format, names, unknown ops, attributes, missing inputs, cycles, unused nodes, output.
 */
export function checkStructure(graph: Graph): readonly CheckedNode[] {
  const label = `graph ${show(graph.name)}`;
  checkHeader(graph);
  if (!Array.isArray(graph.nodes) || graph.nodes.length === 0) {
    throw fail('graph', label, 'at least one node', show(graph.nodes), 'Add the layers of the model to nodes.');
  }
  const byName = new Map<string, GraphNode>();
  for (const node of graph.nodes) {
    checkName(node, label, byName);
    byName.set(node.name, node);
  }
  const checked = new Map(graph.nodes.map(node => [node.name, checkNode(node, byName)]));
  if (!byName.has(graph.output)) {
    throw fail(
      'graph',
      label,
      'output to name one of its nodes',
      show(graph.output),
      `${didYouMean(String(graph.output), byName.keys())}Set output to the node whose output is the logits.`,
    );
  }
  const ordered = sort(graph.nodes, byName);
  checkReach(graph, byName);
  return ordered.map(name => checked.get(name)!);
}

/** Format, name and image size. */
export function checkHeader(graph: Graph): void {
  const label = `graph ${show(graph.name)}`;
  if (graph.format !== 'millrace-graph/1') {
    throw fail(
      'graph',
      label,
      'format "millrace-graph/1"',
      show(graph.format),
      'Set format to "millrace-graph/1"; other versions are not readable.',
    );
  }
  if (typeof graph.name !== 'string' || graph.name === '') {
    throw fail('graph', 'graph', 'a name', show(graph.name), 'Give the graph a name: it stands in tables and checkpoints.');
  }
  const { input } = graph;
  if (!Array.isArray(input) || input.length !== 3 || !input.every(size => Number.isSafeInteger(size) && size > 0)) {
    throw fail(
      'graph',
      label,
      'input as [height, width, channels] in whole numbers from 1 on',
      show(input),
      'For RGB images of 224 pixels: "input": [224, 224, 3].',
    );
  }
}

/** Names become tensor names and checkpoint keys; `toString` and the like would be found in every JavaScript object. */
export function checkName(node: GraphNode, label: string, earlier: ReadonlyMap<string, GraphNode>): void {
  const { name } = node;
  if (typeof name !== 'string' || !/^[A-Za-z0-9_][\w.\-/]*$/.test(name) || name in {}) {
    throw fail(
      'graph',
      label,
      'node names of letters, digits, ".", "_", "-" and "/"',
      show(name),
      'Rename the node, for instance after its checkpoint key: "layer1.0.conv1".',
    );
  }
  if (reservedNames.has(name)) {
    throw fail(
      'graph',
      nodeLabel(node),
      'a name that no other tensor has',
      show(name),
      `Rename the node: training needs ${[...reservedNames].join(', ')}.`,
    );
  }
  const first = earlier.get(name);
  if (first)
    throw fail(
      'graph',
      nodeLabel(node),
      'a name of its own',
      `a second node "${name}" (the first is a ${first.op})`,
      'Rename one of them.',
    );
}

/** One node by itself: its op, its attributes, and that its inputs are among `byName`. */
export function checkNode(node: GraphNode, byName: ReadonlyMap<string, GraphNode>): CheckedNode {
  const where = nodeLabel(node);
  const op = knownOp(node);
  const attributes = checkAttributes(op, node.attributes ?? {}, where);
  checkInputs(op, node, where, byName);
  return { name: node.name, where, op, attributes, inputs: node.inputs };
}

function knownOp(node: GraphNode): Op {
  const names = opNames();
  if (names.includes(node.op)) return findOp(node.op);
  throw fail(
    'graph',
    `node "${node.name}"`,
    'a known op',
    show(node.op),
    `${didYouMean(String(node.op), names)}The ops are ${names.join(', ')}.`,
  );
}

function checkAttributes(op: Op, given: Readonly<Record<string, unknown>>, where: string): unknown {
  const known = attributeNames(op.attributes);
  const takes = known?.length ? `${op.name} takes ${known.join(', ')}.` : `${op.name} takes none.`;
  // also where the schema itself would let them pass: a mistyped attribute must not become a silent default
  const unknown = known && Object.keys(given).find(key => !known.includes(key));
  if (unknown !== undefined) throw fail('graph', where, 'known attributes', show(unknown), `${didYouMean(unknown, known!)}${takes}`);
  const result = op.attributes.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue.path.map(String).join('.') || 'attributes';
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], given);
  if (value === undefined) throw fail('graph', where, `an attribute "${path}"`, 'none', `Add it. ${takes}`);
  throw fail('graph', where, `a valid "${path}" (${reason(issue)})`, show(value), `Change "${path}". ${takes}`);
}

/** The keys of an object schema, also of one that is transformed afterwards. */
function attributeNames(schema: z.core.$ZodType): string[] | undefined {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  return schema instanceof z.ZodPipe ? attributeNames(schema.in) : undefined;
}

/** Where there are alternatives, what is wrong with the first one says most. */
function reason(issue: z.core.$ZodIssue): string {
  const first = issue.code === 'invalid_union' ? issue.errors[0]?.[0] : undefined;
  const { message } = first ?? issue;
  return message.charAt(0).toLowerCase() + message.slice(1);
}
function checkInputs(op: Op, node: GraphNode, where: string, byName: ReadonlyMap<string, GraphNode>): void {
  const { inputs } = node;
  const given = Array.isArray(inputs) ? `${inputs.length} (${inputs.map(show).join(', ')})` : show(inputs);
  if (op.inputs === 'many') {
    if (!Array.isArray(inputs) || inputs.length < 2)
      throw fail('graph', where, 'two inputs or more', given, 'List the names of the nodes that it joins.');
  } else if (!Array.isArray(inputs) || inputs.length !== op.inputs.length) {
    const wanted = `${op.inputs.length} input${op.inputs.length === 1 ? '' : 's'} (${op.inputs.join(', ')})`;
    throw fail('graph', where, wanted, given, `List the names of nodes, or "${imageInput}" for the images.`);
  }
  for (const name of inputs) {
    if (name === imageInput || byName.has(name)) continue;
    throw fail(
      'graph',
      where,
      'inputs that exist',
      `"${name}"`,
      `${didYouMean(String(name), byName.keys())}Add a node of that name, or name another input.`,
    );
  }
}

/** Topological order, the earliest listed node first among those whose inputs are there. */
function sort(nodes: readonly GraphNode[], byName: ReadonlyMap<string, GraphNode>): string[] {
  const ordered: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  // depth first from each node in the listed order, with a stack of its own: a deep graph must not end in a stack overflow
  for (const root of nodes) {
    const path: { name: string; next: number }[] = [];
    const enter = (name: string) => {
      state.set(name, 'open');
      path.push({ name, next: 0 });
    };
    if (!state.has(root.name)) enter(root.name);
    while (path.length > 0) {
      const top = path[path.length - 1];
      const input = byName.get(top.name)!.inputs[top.next++];
      if (input === undefined) {
        state.set(top.name, 'done');
        ordered.push(top.name);
        path.pop();
      } else if (state.get(input) === 'open') {
        const cycle = [...path.slice(path.findIndex(step => step.name === input)).map(step => step.name), input].reverse();
        throw fail(
          'graph',
          nodeLabel(byName.get(input)!),
          'a graph without cycles',
          cycle.join(' -> '),
          'Change the inputs of one of these nodes.',
        );
      } else if (input !== imageInput && !state.has(input)) enter(input);
    }
  }
  return ordered;
}

/** Every node must have a part in the output: one that has none is a layer that somebody forgot to connect. */
function checkReach(graph: Graph, byName: ReadonlyMap<string, GraphNode>): void {
  const reached = new Set<string>();
  const open = [graph.output];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === imageInput || reached.has(name)) continue;
    reached.add(name);
    open.push(...byName.get(name)!.inputs);
  }
  const unused = graph.nodes.filter(node => !reached.has(node.name));
  if (unused.length === 0) return;
  const others = unused.length > 1 ? ` (and ${unused.length - 1} more)` : '';
  throw fail(
    'graph',
    nodeLabel(unused[0]),
    `every node to lead to the output "${graph.output}"`,
    `a node that does not${others}`,
    'Name it in the inputs of a later node, or remove it.',
  );
}
