import assert from 'node:assert/strict';
import { graph } from '../../../core/graph/builder.ts';
import { type DifferentiateOptions, differentiate } from '../../../core/graph/differentiate.ts';
import type { Graph } from '../../../core/graph/graph.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { initialize } from '../../../core/program/initialize.ts';
import type { Program } from '../../../core/program/program.ts';
import { prune } from '../../../core/program/prune.ts';
import { programTable } from '../../../core/program/table.ts';
import { uniforms } from '../../../core/random.ts';
import { interpret } from '../ops/run.ts';

/** `conv` has three readers, `fc` reads what came through all of them. No kinks, so that finite differences are exact. */
function residual(): Graph {
  const g = graph('residual', [5, 4, 2]);
  const stem = g.conv2d('conv', g.input, { filters: 3, kernel: 3, padding: 1 });
  const branch = g.batchNorm2d('branch.bn', g.conv2d('branch.conv', stem, { filters: 3, kernel: 3, padding: 1, bias: false }));
  const short = g.padChannels('short', stem, { stride: 2, channels: 5 });
  const joined = g.concat('concat', [g.add('add', [branch, stem]), branch]);
  const wide = g.add('sum', [g.conv2d('down', joined, { filters: 5, kernel: 1, stride: 2 }), short]);
  return g.output(g.linear('fc', g.flatten('flatten', g.localResponseNorm('norm', wide, { size: 3, alpha: 1 })), { features: 2 }));
}

function trainingProgram(model: Graph, options: Partial<DifferentiateOptions> = {}): Program {
  const program = new ProgramBuilder();
  const { logits, backward } = differentiate(program, model, { batch: 3, mode: 'train', pixels: 'f32', ...options });
  backward(program.declare('logits:d', 'input', logits.shape));
  return program.build();
}
const lines = (program: Program, segment: string) =>
  program.nodes.filter(node => node.segment === segment).map(node => `${node.output} = ${node.primitive}(${node.inputs.join(', ')})`);
const fill = (count: number, seed: number) => {
  const next = uniforms(seed);
  return Float32Array.from({ length: count }, () => 2 * next() - 1);
};

describe('differentiate', () => {
  const block = () => {
    const g = graph('block', [4, 4, 2]);
    const stem = g.conv2d('stem', g.input, { filters: 2, kernel: 1, bias: false });
    const relu = g.relu('relu', g.conv2d('conv', stem, { filters: 2, kernel: 1, bias: false }));
    const sum = g.add('add', [relu, stem]);
    return g.output(g.linear('fc', g.flatten('flatten', sum), { features: 3 }));
  };

  it('should write forward in order, and backward in reverse with the gradients of a shared value summed @smoke', () => {
    const program = trainingProgram(block());
    assert.deepEqual(lines(program, 'forward'), [
      'stem = conv2d(pixels, stem.weight)',
      'conv = conv2d(stem, conv.weight)',
      'relu = relu(conv)',
      'add = add(relu, stem)',
      'flatten = flatten(add)',
      'fc = linear(flatten, fc.weight, fc.bias)',
    ]);
    assert.deepEqual(lines(program, 'backward'), [
      'fc:dweight = linear.filterGradient(flatten, logits:d)',
      'fc:dbias = linear.biasGradient(logits:d)',
      'fc:dx = linear.inputGradient(logits:d, fc.weight)',
      'flatten:dx = flatten.inputGradient(fc:dx)',
      'relu:dx = relu.inputGradient(relu, flatten:dx)',
      'conv:dweight = conv2d.filterGradient(stem, relu:dx)',
      'conv:dx = conv2d.inputGradient(relu:dx, conv.weight)',
      'stem:sum2 = add(flatten:dx, conv:dx)',
      // and nothing for the images
      'stem:dweight = conv2d.filterGradient(pixels, stem:sum2)',
    ]);
    assert.deepEqual(Object.entries(program.gradients), [
      ['stem.weight', 'stem:dweight'],
      ['conv.weight', 'conv:dweight'],
      ['fc.weight', 'fc:dweight'],
      ['fc.bias', 'fc:dbias'],
    ]);
  });

  it('should declare what the host writes and what the graph owns', () => {
    const { tensors } = trainingProgram(residual());
    assert.deepEqual(tensors.pixels, { name: 'pixels', kind: 'input', shape: [3, 5, 4, 2], dtype: 'f32' });
    assert.deepEqual(tensors.hyper.shape, [8]);
    assert.equal(tensors.normalization, undefined);
    assert.deepEqual(tensors['branch.conv.weight'], {
      name: 'branch.conv.weight',
      kind: 'parameter',
      shape: [3, 3, 3, 3],
      dtype: 'f32',
      layout: 'filter',
      init: { kind: 'uniform', bound: 1 / Math.sqrt(27) },
    });
    assert.equal(tensors['branch.bn.running_var'].kind, 'state');
    assert.equal(tensors['conv:dweight'].kind, 'gradient');
  });

  it('should turn bytes into normalised floats on the device', () => {
    const program = trainingProgram(block(), { pixels: 'u8' });
    assert.equal(program.tensors.pixels.dtype, 'u8');
    assert.deepEqual(program.tensors.normalization.shape, [2, 2]);
    assert.deepEqual(lines(program, 'forward').slice(0, 2), [
      'input = toFloat(pixels, normalization)',
      'stem = conv2d(input, stem.weight)',
    ]);
    assert.equal(lines(program, 'backward').at(-1), 'stem:dweight = conv2d.filterGradient(input, stem:sum2)');
  });

  it('should give gradients that finite differences confirm, through fan-out, concat and both kinds of shortcut', async () => {
    const program = trainingProgram(residual());
    const tensors = Object.values(program.tensors);
    const owned = tensors.filter(tensor => tensor.init !== undefined);
    const start: Record<string, ArrayLike<number>> = {
      pixels: fill(3 * 5 * 4 * 2, 1),
      'logits:d': fill(6, 5),
      ...Object.fromEntries(owned.map(({ name, shape, init }) => [name, initialize(name, shape, init!, 3)])),
    };
    const run = interpret({ strict: true });
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
    const values = await run(program, start);
    const loss = async (changed: Record<string, number[]>) => dot((await run(program, { ...start, ...changed })).fc, start['logits:d']);
    const step = 1e-4;
    for (const [name, gradient] of Object.entries(program.gradients)) {
      // the slope along a random direction, against the gradient's component in that direction
      const direction = fill(start[name].length, 7);
      const moved = (by: number) => ({ [name]: Array.from(start[name], (value, i) => value + by * direction[i]) });
      const slope = ((await loss(moved(step))) - (await loss(moved(-step)))) / (2 * step);
      const expected = dot(values[gradient], direction);
      assert.ok(Math.abs(expected) > 1e-3, `${name}: a slope of ${expected} shows nothing`);
      assert.ok(Math.abs(slope - expected) < 1e-5 * (1 + Math.abs(expected)), `${name}: finite differences ${slope}, gradient ${expected}`);
    }
  });

  it('should write no backward pass below the first trained layer', () => {
    const program = trainingProgram(block(), { frozen: name => !name.startsWith('fc.') });
    assert.deepEqual(lines(program, 'backward'), [
      'fc:dweight = linear.filterGradient(flatten, logits:d)',
      'fc:dbias = linear.biasGradient(logits:d)',
    ]);
    assert.deepEqual(Object.keys(program.gradients), ['fc.weight', 'fc.bias']);
  });

  it('should pass gradients on through a frozen layer, whose own prune removes', () => {
    const options = { frozen: (name: string) => name === 'conv.weight' || name === 'fc.bias' };
    const program = prune(trainingProgram(block(), options), ['fc']);
    assert.deepEqual(lines(program, 'backward'), [
      'fc:dweight = linear.filterGradient(flatten, logits:d)',
      'fc:dx = linear.inputGradient(logits:d, fc.weight)',
      'flatten:dx = flatten.inputGradient(fc:dx)',
      'relu:dx = relu.inputGradient(relu, flatten:dx)',
      'conv:dx = conv2d.inputGradient(relu:dx, conv.weight)',
      'stem:sum2 = add(flatten:dx, conv:dx)',
      'stem:dweight = conv2d.filterGradient(pixels, stem:sum2)',
    ]);
    assert.deepEqual(Object.keys(program.gradients), ['stem.weight', 'fc.weight']);
    assert.equal(program.tensors['conv:dweight'], undefined);
  });

  it('should be a function of its arguments: twice the same program', () => {
    assert.deepStrictEqual(trainingProgram(residual()), trainingProgram(residual()));
  });

  it('should evaluate with running statistics and change nothing', () => {
    const program = new ProgramBuilder();
    const { trained, backward, logits } = differentiate(program, residual(), { batch: 2, mode: 'evaluate', pixels: 'f32' });
    assert.deepEqual(trained, []);
    const { nodes, tensors } = program.build();
    assert.ok(nodes.every(node => node.segment === 'forward' && tensors[node.output].kind === 'activation'));
    assert.ok(nodes.some(node => node.primitive === 'batchNorm2d.evaluate'));
    assert.throws(
      () => backward(logits),
      /^MillraceError: backward pass of graph "residual": expected mode 'train', got mode 'evaluate'\. Call differentiate/,
    );
  });

  it('should refuse a backward pass that cannot be', () => {
    const program = new ProgramBuilder();
    const options = { batch: 2, mode: 'train', pixels: 'f32' } as const;
    const { backward, logits } = differentiate(program, block(), options);
    assert.throws(() => backward(program.get('pixels')), /expected a gradient of the logits' shape \[2,3\], got \[2,4,4,2\]\./);
    backward(logits);
    assert.throws(() => backward(logits), /expected one call of backward, got a second one\./);
    const frozen = new ProgramBuilder();
    const all = differentiate(frozen, block(), { ...options, frozen: () => true });
    assert.throws(() => all.backward(all.logits), /expected at least one trained parameter, got 4 frozen ones\. Let frozen return false/);
  });

  it('should add the gradients of a value that one node reads twice', () => {
    const g = graph('double', [2, 2, 1]);
    const conv = g.conv2d('conv', g.input, { filters: 1, kernel: 1, bias: false });
    const program = trainingProgram(g.output(g.flatten('flatten', g.add('twice', [conv, conv]))));
    assert.deepEqual(lines(program, 'backward'), [
      'flatten:dx = flatten.inputGradient(logits:d)',
      'conv:sum2 = add(flatten:dx, flatten:dx)',
      'conv:dweight = conv2d.filterGradient(pixels, conv:sum2)',
    ]);
  });

  it('should print as a table', () => {
    const [header, ...rows] = programTable(trainingProgram(block())).split('\n');
    assert.match(header, /^segment +node +primitive +inputs +output +shape$/);
    assert.equal(rows.length, 15);
    assert.match(rows[0], /^forward +stem +conv2d +pixels stem\.weight +stem +\[3,4,4,2\]$/);
    assert.match(rows[14], /^backward +stem +conv2d\.filterGradient +pixels stem:sum2 +stem:dweight +\[1,1,2,2\]$/);
  });

  it('should be plain data: JSON in, JSON out', () => {
    const program = trainingProgram(residual(), { pixels: 'u8' });
    assert.deepStrictEqual(JSON.parse(JSON.stringify(program)), program);
  });
});
