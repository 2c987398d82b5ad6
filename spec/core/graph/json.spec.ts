import assert from 'node:assert/strict';
import { MillraceError } from '../../../core/errors.ts';
import type { Graph } from '../../../core/graph/graph.ts';
import { graphFromJson, graphToJson } from '../../../core/graph/json.ts';
import { models } from '../../../models/index.ts';

const good = graphToJson({
  format: 'millrace-graph/1',
  name: 'mine',
  input: [4, 4, 3],
  nodes: [
    { name: 'flatten', op: 'flatten', inputs: ['input'] },
    { name: 'fc', op: 'linear', attributes: { features: 2 }, inputs: ['flatten'] },
  ],
  output: 'fc',
});

function complaint(text: string): string {
  try {
    graphFromJson(text, 'mine.json');
  } catch (error) {
    assert.ok(error instanceof MillraceError, String(error));
    assert.equal(error.kind, 'graph');
    assert.ok(error.message.startsWith('mine.json'), error.message);
    assert.ok(error.message.length < 1000, `a message of ${error.message.length} characters`);
    return error.message;
  }
  return assert.fail(`accepted: ${text.slice(0, 100)}`);
}
// biome-ignore lint/suspicious/noExplicitAny: the point is to break what the types promise
const edited = (edit: (graph: any) => void): string => {
  const graph = JSON.parse(good);
  edit(graph);
  return complaint(JSON.stringify(graph));
};

describe('graphToJson', () => {
  it('should write one node a line', () => {
    assert.equal(
      good,
      `{
  "format": "millrace-graph/1",
  "name": "mine",
  "input": [4,4,3],
  "nodes": [
    {"name":"flatten","op":"flatten","inputs":["input"]},
    {"name":"fc","op":"linear","attributes":{"features":2},"inputs":["flatten"]}
  ],
  "output": "fc"
}
`,
    );
  });

  it('should come back exactly, for every model @smoke', () => {
    for (const [name, build] of Object.entries(models)) {
      const graph: Graph = build();
      const text = graphToJson(graph);
      const read = graphFromJson(text, `${name}.json`);
      assert.deepStrictEqual(read, graph);
      assert.equal(graphToJson(read), text);
    }
  });
});

describe('graphFromJson', () => {
  it('should answer garbage with a plain error', () => {
    assert.match(complaint(''), /^mine\.json: expected a graph in JSON, got text that is not JSON \(/);
    assert.match(complaint('{"format": '), /text that is not JSON/);
    for (const text of ['null', '3', '"graph"', 'true'])
      assert.match(complaint(text), new RegExp(`^mine\\.json: graph: expected an object, got ${text}\\.`));
    assert.match(complaint('[1,2]'), /^mine\.json: graph: expected an object, got a list of 2\./);
    assert.match(complaint(JSON.stringify('x'.repeat(1e6))), /got a text\./);
    assert.match(
      complaint('{}'),
      /^mine\.json: graph: expected a "format", got none\. Add "format"\. A graph has format, name, input, nodes, output\.$/,
    );
    assert.match(complaint('{"__proto__": 1}'), /expected only format, name, input, nodes, output, got "__proto__"/);
  });

  it('should say which value is of the wrong kind', () => {
    assert.match(
      edited(g => (g.nodes = {})),
      /^mine\.json: graph: expected nodes as a list, got \{\}\./,
    );
    assert.match(
      edited(g => (g.nodes[1] = null)),
      /^mine\.json: nodes\[1\]: expected an object, got null\. Write \{ "name": …/,
    );
    assert.match(
      edited(g => delete g.nodes[1].name),
      /^mine\.json: nodes\[1\]: expected a name, got undefined\./,
    );
    assert.match(
      edited(g => (g.nodes[1].op = 7)),
      /^mine\.json: nodes\[1\] "fc": expected an op, got 7\./,
    );
    assert.match(
      edited(g => (g.nodes[1].inputs = 'flatten')),
      /^mine\.json: nodes\[1\] "fc": expected inputs as a list of names, got "flatten"\./,
    );
    assert.match(
      edited(g => (g.nodes[1].inputs = [3])),
      /expected inputs as a list of names, got \[3\]\./,
    );
    assert.match(
      edited(g => (g.nodes[1].attributes = [])),
      /^mine\.json: nodes\[1\] "fc" attributes: expected an object, got a list of 0\./,
    );
    assert.match(
      edited(g => (g.nodes[1].atributes = {})),
      /expected only name, op, attributes, inputs, got "atributes"\. Did you mean "attributes"\?/,
    );
    assert.match(
      edited(g => (g.output = 1)),
      /^mine\.json: graph: expected output as the name of a node, got 1\./,
    );
    assert.match(
      edited(g => (g.name = {})),
      /^mine\.json: graph: expected a name, got \{\}\./,
    );
    assert.match(
      edited(g => (g.input = [4, 4])),
      /^mine\.json: graph "mine": expected input as \[height, width, channels\]/,
    );
    assert.match(
      edited(g => (g.format = null)),
      /expected format "millrace-graph\/1", got null\./,
    );
  });

  it('should name an unknown op, a cycle, a missing input and a wrong channel count', () => {
    assert.match(
      edited(g => (g.nodes[1].op = 'linaer')),
      /^mine\.json: node "fc": expected a known op, got "linaer"\. Did you mean "linear"\?/,
    );
    assert.match(
      edited(g => g.nodes.push({ name: 'a', op: 'relu', inputs: ['b'] }, { name: 'b', op: 'relu', inputs: ['a'] })),
      /^mine\.json: relu "a": expected a graph without cycles, got a -> b -> a\. Change the inputs of one of these nodes\.$/,
    );
    assert.match(
      edited(g => (g.nodes[0].inputs = ['images'])),
      /^mine\.json: flatten "flatten": expected inputs that exist, got "images"\. Add a node of that name, or name another input\.$/,
    );
    assert.match(
      edited(g => {
        g.nodes[0].inputs = ['sum'];
        g.nodes.push({ name: 'conv', op: 'conv2d', attributes: { filters: 5, kernel: 1 }, inputs: ['input'] });
        g.nodes.push({ name: 'sum', op: 'add', inputs: ['conv', 'input'] });
      }),
      /^mine\.json: add "sum": expected two inputs of one shape \(the first is \[1,4,4,5\]\), got \[1,4,4,3\]\. Give both branches the same channels/,
    );
  });

  it('should not print megabytes', () => {
    const long = 'x'.repeat(1e6);
    edited(g => (g.nodes[0].name = long));
    edited(g => (g.nodes[0].op = long));
    edited(g => (g.nodes[0].inputs = [long]));
    edited(g => (g.nodes[1].attributes.features = long));
    edited(g => (g.nodes[1].attributes[long] = 1));
    edited(g => (g.input = [long]));
    edited(g => (g.output = long));
    edited(g => (g.name = [long]));
    edited(g => (g.format = long));
    edited(g => (g[long] = long));
    edited(g => (g.nodes[1].inputs = long));
  });

  it('should take nodes in any order', () => {
    const graph = JSON.parse(good);
    graph.nodes.reverse();
    assert.deepEqual(graphFromJson(JSON.stringify(graph), 'mine.json'), graph);
  });
});
