import assert from 'node:assert/strict';
import { MillraceError } from '../../../core/errors.ts';
import type { Graph, GraphNode } from '../../../core/graph/graph.ts';
import { infer } from '../../../core/graph/infer.ts';
import { macs, parameters, summary } from '../../../core/graph/summary.ts';
import { verify } from '../../../core/graph/verify.ts';

const flatten: GraphNode = { name: 'flatten', op: 'flatten', inputs: ['input'] };
const fc: GraphNode = { name: 'fc', op: 'linear', attributes: { features: 2 }, inputs: ['flatten'] };
const good: Graph = { format: 'millrace-graph/1', name: 'g', input: [4, 4, 3], nodes: [flatten, fc], output: 'fc' };

/** The message of the error that a changed graph gets. */
function complaint(change: { [key in keyof Graph]?: unknown }, classes?: number): string {
  try {
    verify({ ...good, ...change } as Graph, { classes });
  } catch (error) {
    assert.ok(error instanceof MillraceError, String(error));
    assert.equal(error.kind, 'graph');
    return error.message;
  }
  return assert.fail('the graph was accepted');
}

describe('verify', () => {
  it('should accept a classifier and give its shapes @smoke', () => {
    const { nodes, output } = verify(good, { classes: 2 });
    assert.deepEqual(output, [1, 2]);
    assert.deepEqual(
      nodes.map(node => node.output),
      [
        [1, 48],
        [1, 2],
      ],
    );
  });

  it('should name the version it reads', () => {
    assert.equal(
      complaint({ format: 'millrace-graph/2' }),
      'graph "g": expected format "millrace-graph/1", got "millrace-graph/2". Set format to "millrace-graph/1"; other versions are not readable.',
    );
  });

  it('should want a name, nodes, and an output among them', () => {
    assert.match(complaint({ name: '' }), /^graph: expected a name, got ""\./);
    assert.match(complaint({ nodes: [] }), /^graph "g": expected at least one node, got \[\]\./);
    assert.equal(
      complaint({ output: 'fx' }),
      'graph "g": expected output to name one of its nodes, got "fx". Did you mean "fc"? Set output to the node whose output is the logits.',
    );
  });

  it('should want logits of the right width', () => {
    assert.equal(
      complaint({}, 10),
      'output "fc" of graph "g": expected 10 classes, got 2 ([1,2]). Set features of the last linear node to 10.',
    );
    const conv = { name: 'conv', op: 'conv2d', attributes: { filters: 2, kernel: 1 }, inputs: ['input'] };
    assert.match(
      complaint({ nodes: [conv], output: 'conv' }),
      /^output "conv" of graph "g": expected logits of shape \[N,classes\], got \[1,4,4,2\]\. End the graph/,
    );
    assert.match(
      complaint({ nodes: [flatten], output: 'flatten' }),
      /^graph "g": expected something to train, got no node with parameters\./,
    );
  });

  it('should want names that can be checkpoint keys', () => {
    for (const name of ['', 'a b', 'a:b', 'constructor', '.a']) {
      assert.match(complaint({ nodes: [{ ...flatten, name }, fc] }), /^graph "g": expected node names of letters, digits/, name);
    }
    for (const name of ['input', 'pixels', 'hyper']) {
      assert.equal(
        complaint({ nodes: [{ ...flatten, name }, fc] }),
        `flatten "${name}": expected a name that no other tensor has, got "${name}". ` +
          'Rename the node: training needs input, pixels, normalization, hyper, targets, loss.',
      );
    }
    assert.match(
      complaint({ nodes: [flatten, fc, { ...flatten, name: 'fc' }] }),
      /^flatten "fc": expected a name of its own, got a second node "fc"/,
    );
    assert.match(
      complaint({
        nodes: [
          { ...flatten, name: 'fc.weight' },
          { ...fc, inputs: ['fc.weight'] },
        ],
      }),
      /^flatten "fc\.weight": expected a name of its own, got the name of the weight of linear "fc"\./,
    );
  });

  it('should name an unknown op and the nearest one', () => {
    assert.match(
      complaint({ nodes: [{ ...flatten, op: 'flaten' }, fc] }),
      /^node "flatten": expected a known op, got "flaten"\. Did you mean "flatten"\? The ops are .*conv2d.*\.$/,
    );
  });

  it('should check attributes', () => {
    const withAttributes = (attributes: object) => complaint({ nodes: [flatten, { ...fc, attributes } as GraphNode] });
    assert.equal(withAttributes({}), 'linear "fc": expected an attribute "features", got none. Add it. linear takes features, bias, init.');
    assert.equal(
      withAttributes({ features: 2, baias: false }),
      'linear "fc": expected known attributes, got "baias". Did you mean "bias"? linear takes features, bias, init.',
    );
    assert.match(
      withAttributes({ features: '2' }),
      /^linear "fc": expected a valid "features" \(.*number.*\), got "2"\. Change "features"\./,
    );
    assert.match(
      withAttributes({ features: 2, init: { weight: { kind: 'normal', std: -1 } } }),
      /expected a valid "init\.weight\.std" \(.*\), got -1\./,
    );
    const pool = { name: 'pool', op: 'maxPool2d', attributes: { kernal: 2 }, inputs: ['input'] };
    assert.match(
      complaint({ nodes: [pool] }),
      /^maxPool2d "pool": expected known attributes, got "kernal"\. Did you mean "kernel"\? maxPool2d takes kernel, /,
    );
    const conv = { name: 'conv', op: 'conv2d', attributes: { filters: 1, kernel: 'big' }, inputs: ['input'] };
    assert.match(complaint({ nodes: [conv] }), /^conv2d "conv": expected a valid "kernel" \(.*number.*\), got "big"\./);
    assert.match(
      complaint({ nodes: [{ ...flatten, attributes: { axis: 1 } }, fc] }),
      /^flatten "flatten": expected known attributes, got "axis"\. flatten takes none\.$/,
    );
  });

  it('should check inputs', () => {
    assert.equal(
      complaint({ nodes: [flatten, { ...fc, inputs: ['flaten'] }] }),
      'linear "fc": expected inputs that exist, got "flaten". Did you mean "flatten"? Add a node of that name, or name another input.',
    );
    assert.match(complaint({ nodes: [flatten, { ...fc, inputs: [] }] }), /^linear "fc": expected 1 input \(x\), got 0 \(\)\./);
    assert.match(
      complaint({ nodes: [flatten, { ...fc, inputs: ['flatten', 'input'] }] }),
      /expected 1 input \(x\), got 2 \("flatten", "input"\)\./,
    );
    assert.match(
      complaint({ nodes: [{ name: 'sum', op: 'add', inputs: ['input'] }], output: 'sum' }),
      /^add "sum": expected 2 inputs \(a, b\), got 1 \("input"\)\./,
    );
    assert.match(
      complaint({ nodes: [{ name: 'join', op: 'concat', inputs: ['input'] }] }),
      /^concat "join": expected two inputs or more, got 1 \("input"\)\./,
    );
  });

  it('should name the nodes of a cycle', () => {
    const relu = (name: string, input: string) => ({ name, op: 'relu', inputs: [input] });
    assert.equal(
      complaint({ nodes: [relu('a', 'c'), relu('b', 'a'), relu('c', 'b'), { ...flatten, inputs: ['c'] }, fc] }),
      'relu "a": expected a graph without cycles, got a -> b -> c -> a. Change the inputs of one of these nodes.',
    );
    assert.match(complaint({ nodes: [relu('a', 'a')], output: 'a' }), /^relu "a": expected a graph without cycles, got a -> a\./);
  });

  it('should name nodes that lead nowhere', () => {
    const dead = { name: 'dead', op: 'relu', inputs: ['input'] };
    assert.equal(
      complaint({ nodes: [dead, flatten, fc, { ...dead, name: 'other' }] }),
      'relu "dead": expected every node to lead to the output "fc", got a node that does not (and 1 more). Name it in the inputs of a later node, or remove it.',
    );
  });

  it('should take a graph thousands of nodes deep', () => {
    const chain = Array.from({ length: 20000 }, (_, i) => ({ name: `relu${i}`, op: 'relu', inputs: [i === 0 ? 'input' : `relu${i - 1}`] }));
    const nodes = [fc, { ...flatten, inputs: ['relu19999'] }, ...chain.toReversed()];
    assert.equal(verify({ ...good, nodes }).nodes[0].name, 'relu0');
  });
});

describe('infer', () => {
  it('should order nodes by their inputs, and keep an order that works', () => {
    assert.deepEqual(
      infer({ ...good, nodes: [fc, flatten] }).nodes.map(node => node.name),
      ['flatten', 'fc'],
    );
    const relu = (name: string, input: string) => ({ name, op: 'relu', inputs: [input] });
    const sum = { name: 'sum', op: 'add', inputs: ['z', 'a'] };
    const nodes = [relu('a', 'input'), relu('z', 'input'), sum, { ...flatten, inputs: ['sum'] }, fc];
    assert.deepEqual(
      infer({ ...good, nodes }).nodes.map(node => node.name),
      ['a', 'z', 'sum', 'flatten', 'fc'],
    );
  });

  it('should give shapes for a batch and parameters under their checkpoint names', () => {
    const { output, parameters } = infer(good, 7);
    assert.deepEqual(output, [7, 2]);
    assert.deepEqual(
      parameters.map(({ name, node, local, role, shape, layout }) => ({ name, node, local, role, shape, layout })),
      [
        { name: 'fc.weight', node: 'fc', local: 'weight', role: 'parameter', shape: [48, 2], layout: 'matrix' },
        { name: 'fc.bias', node: 'fc', local: 'bias', role: 'parameter', shape: [2], layout: 'plain' },
      ],
    );
  });

  it('should refuse a batch of none', () => {
    assert.throws(() => infer(good, 0), /graph "g": expected a batch size of 1 or more, got 0\./);
  });
});

describe('summary', () => {
  it('should count what is trained and multiplied, node by node', () => {
    const bn: GraphNode = { name: 'bn', op: 'batchNorm2d', inputs: ['conv'] };
    const conv: GraphNode = { name: 'conv', op: 'conv2d', attributes: { filters: 5, kernel: 3 }, inputs: ['input'] };
    const graph = { ...good, nodes: [conv, bn, { ...flatten, inputs: ['bn'] }, fc] };
    assert.deepEqual(summary(graph), [
      { name: 'conv', op: 'conv2d', output: [2, 2, 5], parameters: 3 * 3 * 3 * 5 + 5, macs: 2 * 2 * 5 * 27 },
      { name: 'bn', op: 'batchNorm2d', output: [2, 2, 5], parameters: 10, macs: 0 },
      { name: 'flatten', op: 'flatten', output: [20], parameters: 0, macs: 0 },
      { name: 'fc', op: 'linear', output: [2], parameters: 42, macs: 40 },
    ]);
    assert.equal(parameters(graph), 192);
    assert.equal(macs(graph), 580);
  });
});
