import { didYouMean } from '../closest.ts';
import { fail, MillraceError, show } from '../errors.ts';
import type { Graph, GraphNode } from './graph.ts';
import { verify } from './verify.ts';

const graphKeys = ['format', 'name', 'input', 'nodes', 'output'];
const nodeKeys = ['name', 'op', 'attributes', 'inputs'];

/** One node a line, so that two models can be compared by diff. `graphFromJson` gives back an equal graph. */
export function graphToJson(graph: Graph): string {
  const { nodes, ...header } = graph;
  const lines = Object.entries(header).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  lines.splice(-1, 0, `  "nodes": [\n${nodes.map(node => `    ${JSON.stringify(node)}`).join(',\n')}\n  ]`);
  return `{\n${lines.join(',\n')}\n}\n`;
}

/**
 * Reads and verifies a graph. `file` is what errors call it. Nodes may come in any order.
 * Throws a MillraceError of kind 'graph' for anything that is not a working classifier.
 */
export function graphFromJson(text: string, file: string): Graph {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail(
      'graph',
      file,
      'a graph in JSON',
      `text that is not JSON (${(cause as Error).message})`,
      'Correct the file; graphToJson writes valid ones.',
      cause,
    );
  }
  try {
    const graph = toGraph(value);
    verify(graph);
    return graph;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { where, got } = error.complaint;
    throw new MillraceError(error.kind, { ...error.complaint, where: `${file}: ${shorten(where)}`, got: shorten(got) }, { cause: error });
  }
}

/** Checks what TypeScript would have checked: the kinds of values, not yet what they say. */
function toGraph(value: unknown): Graph {
  const graph = record(value, 'graph', graphKeys);
  for (const key of graphKeys) {
    if (!(key in graph)) throw fail('graph', 'graph', `a "${key}"`, 'none', `Add "${key}". A graph has ${graphKeys.join(', ')}.`);
  }
  if (typeof graph.output !== 'string')
    throw fail('graph', 'graph', 'output as the name of a node', show(graph.output), 'Set output to the node whose output is the logits.');
  if (!Array.isArray(graph.nodes)) throw fail('graph', 'graph', 'nodes as a list', brief(graph.nodes), 'Write "nodes": [ … ].');
  graph.nodes.forEach(checkNode);
  return graph as unknown as Graph;
}

function checkNode(value: unknown, index: number): void {
  const where = `nodes[${index}]`;
  const node = record(value, where, nodeKeys) as Partial<Record<keyof GraphNode, unknown>>;
  if (typeof node.name !== 'string')
    throw fail('graph', where, 'a name', show(node.name), 'Give the node a unique name, for instance "conv1".');
  const named = `${where} "${node.name}"`;
  if (typeof node.op !== 'string')
    throw fail('graph', named, 'an op', show(node.op), 'Say what the node does, for instance "op": "conv2d".');
  if (!Array.isArray(node.inputs) || !node.inputs.every(name => typeof name === 'string')) {
    throw fail(
      'graph',
      named,
      'inputs as a list of names',
      show(node.inputs),
      'Write "inputs": ["input"] for a node that reads the images.',
    );
  }
  if (node.attributes !== undefined) record(node.attributes, `${named} attributes`);
}

function record(value: unknown, where: string, keys?: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw fail(
      'graph',
      where,
      'an object',
      brief(value),
      `Write { ${keys ? keys.map(key => `"${key}": …`).join(', ') : '"name": value'} }.`,
    );
  }
  const unknown = keys && Object.keys(value).find(key => !keys.includes(key));
  if (unknown !== undefined)
    throw fail('graph', where, `only ${keys!.join(', ')}`, show(unknown), `${didYouMean(unknown, keys!)}Remove it, or correct its name.`);
  return value as Record<string, unknown>;
}

/** A file may hold megabytes in one name or value. */
const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

/** The kind of a value: what stands in place of an object may be megabytes long. */
function brief(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'string' && value.length > 40 ? 'a text' : show(value);
}
