import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import { graph } from '../../../core/graph/builder.ts';
import { differentiate } from '../../../core/graph/differentiate.ts';
import type { Graph } from '../../../core/graph/graph.ts';
import { fusedIn } from '../../../core/ops/fusion.ts';
import { inPlace } from '../../../core/plan/inPlace.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fuse } from '../../../core/program/fuse.ts';
import type { Program } from '../../../core/program/program.ts';
import { prune } from '../../../core/program/prune.ts';
import { elements } from '../../../core/shape.ts';
import { resnet18, resnet50 } from '../../../models/resnet.ts';
import { assertClose, noise } from '../ops/finiteDifferences.ts';
import { excess } from '../ops/golden.ts';
import { interpret, onDevice } from '../ops/run.ts';

/** Everything that fuses: a product with and without bias, a plain batch norm, skip connections with and without one of their own. */
function everything(): Graph {
  const g = graph('everything', [5, 4, 3]);
  let x = g.relu('stem.relu', g.conv2d('stem.conv', g.input, { filters: 4, kernel: 3, padding: 1 }));
  let y = g.relu('a.relu1', g.batchNorm2d('a.bn1', g.conv2d('a.conv1', x, { filters: 4, kernel: 1, bias: false })));
  y = g.batchNorm2d('a.bn2', g.conv2d('a.conv2', y, { filters: 4, kernel: 3, padding: 1, bias: false }));
  x = g.relu('a.relu2', g.add('a.add', [y, x]));
  y = g.batchNorm2d('b.bn1', g.conv2d('b.conv1', x, { filters: 6, kernel: 3, stride: 2, padding: 1, bias: false }));
  x = g.batchNorm2d('b.bn2', g.conv2d('b.conv2', x, { filters: 6, kernel: 1, stride: 2, bias: false }));
  x = g.relu('b.relu', g.add('b.add', [y, x]));
  x = g.relu('c.relu', g.conv2d('c.conv', x, { filters: 5, kernel: 2, bias: false }));
  x = g.relu('fc1.relu', g.linear('fc1', g.flatten('flatten', x), { features: 7 }));
  return g.output(g.linear('fc2', x, { features: 3 }));
}

function programOf(of: Graph, mode: 'train' | 'evaluate', batch = 2): { program: Program; keep: string[] } {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, of, { batch, mode, pixels: 'f32' });
  const keep = [logits.name];
  if (mode === 'train') {
    keep.push('dlogits');
    backward(builder.declare('dlogits', 'gradient', logits.shape));
  }
  return { program: prune(builder.build(), keep), keep };
}
const rows = ({ nodes }: Program) =>
  nodes.flatMap(({ node, primitive, attributes }) => {
    const fused = fusedIn(attributes);
    return fused.length > 0 ? [`${node}: ${primitive} ${fused.join(' ')}`] : [];
  });
const primitives = ({ nodes }: Program) => nodes.map(({ primitive }) => primitive);
/** Noise everywhere; variances above 0. */
function valuesOf({ tensors }: Program): Record<string, Float64Array> {
  const values: Record<string, Float64Array> = {};
  Object.values(tensors).forEach(({ name, kind, shape }, i) => {
    if (!['input', 'parameter', 'state'].includes(kind) && name !== 'dlogits') return;
    values[name] = noise(elements(shape), i + 1);
    if (name.endsWith('running_var')) values[name] = values[name].map(value => 1.5 + value);
  });
  return values;
}

describe('fuse', () => {
  const { program, keep } = programOf(everything(), 'train');
  const fused = fuse(program, keep);

  it('should make attributes of rectifiers, skip connections and their gradients, and name what it joined @smoke', () => {
    assert.deepEqual(rows(fused), [
      'stem.conv+relu: conv2d relu',
      'a.bn1+relu1: batchNorm2d relu',
      'a.bn2+add+relu2: batchNorm2d relu residual',
      'b.bn2+add+relu: batchNorm2d relu residual',
      'c.conv+relu: conv2d relu',
      'fc1+fc1.relu: linear relu',
      'fc1+fc1.relu: linear.biasGradient mask',
      'b.bn2+relu: batchNorm2d.gradientSums mask',
      'a.bn2+relu2: batchNorm2d.gradientSums mask sum',
      'a.bn1+relu1: batchNorm2d.gradientSums gate',
      'a.bn1+relu1: batchNorm2d.inputGradient gate',
      'stem.conv+relu: conv2d.biasGradient mask',
    ]);
    assert.ok(!primitives(fused).includes('relu'));
    // the convolution without bias has no sums that could mask
    assert.equal(primitives(fused).filter(name => name === 'relu.inputGradient').length, 1);
    // the gradients of a value that two nodes read are still added up where no batch norm's sums could do it
    assert.equal(primitives(fused).filter(name => name === 'add').length, 1);
    for (const { writes, attributes, inputs } of fused.nodes) {
      assert.equal(writes !== undefined, attributes.mask === true);
      if (writes) assert.ok(writes.every(name => inputs.includes(name)));
    }
  });

  it('should leave no tensor that nothing touches, keep the gradients, and be a pure function', () => {
    const before = JSON.stringify(program);
    assert.deepEqual(fuse(program, keep), fused);
    assert.equal(JSON.stringify(program), before);
    assert.deepEqual(fused.gradients, program.gradients);
    const touched = new Set(fused.nodes.flatMap(({ inputs, output }) => [...inputs, output]));
    for (const { name, kind } of Object.values(fused.tensors)) {
      assert.ok(touched.has(name) || !['activation', 'gradient'].includes(kind) || keep.includes(name), name);
    }
    assert.deepEqual(fuse(fused, keep), fused);
  });

  it('should write every tensor before it is read', () => {
    for (const each of [fused, fuse(programOf(everything(), 'evaluate').program, ['fc2'])]) {
      const there = new Set(
        Object.values(each.tensors).flatMap(({ name, kind }) => (['activation', 'gradient'].includes(kind) ? [] : [name])),
      );
      there.add('dlogits');
      for (const { inputs, output, node } of each.nodes) {
        for (const name of inputs) assert.ok(there.has(name), `${node} reads "${name}"`);
        there.add(output);
      }
    }
  });

  it('should fuse evaluation too', () => {
    assert.deepEqual(rows(fuse(programOf(everything(), 'evaluate').program, ['fc2'])), [
      'stem.conv+relu: conv2d relu',
      'a.bn1+relu1: batchNorm2d.evaluate relu',
      'a.bn2+add+relu2: batchNorm2d.evaluate relu residual',
      'b.bn2+add+relu: batchNorm2d.evaluate relu residual',
      'c.conv+relu: conv2d relu',
      'fc1+fc1.relu: linear relu',
    ]);
  });

  it('should leave every rectifier of a residual network to its neighbours', () => {
    for (const of of [resnet18({ size: 32 }), resnet50({ size: 32 })]) {
      const plain = programOf(of, 'train');
      const names = primitives(fuse(plain.program, plain.keep));
      assert.ok(primitives(plain.program).includes('relu'));
      assert.ok(!names.includes('relu') && !names.includes('relu.inputGradient'));
    }
  });

  it('should compute the same numbers, forward and backward, on one step', async () => {
    const values = valuesOf(program);
    const expected = await interpret()(program, values);
    for (const each of [
      fused,
      inPlace(fused, name => ['activation', 'gradient'].includes(fused.tensors[name].kind) && !keep.includes(name)),
    ]) {
      const got = await interpret({ strict: true })(each, values);
      for (const name of ['fc2', ...Object.values(program.gradients)]) assertClose(got[name], expected[name], 1e-11);
    }
  });

  it('should have the gradients that differences give', async () => {
    const values = valuesOf(program);
    const run = interpret();
    const results = await run(fused, values);
    const forward = fuse({ ...program, nodes: program.nodes.filter(({ segment }) => segment === 'forward') }, keep);
    const loss = async () => (await run(forward, values)).fc2 as Float64Array;
    const along = async () => (await loss()).reduce((sum, value, i) => sum + value * values.dlogits[i], 0);
    for (const [parameter, gradient] of Object.entries(program.gradients)) {
      const value = values[parameter];
      for (let i = 0; i < value.length; i += Math.ceil(value.length / 4)) {
        const kept = value[i];
        value[i] = kept + 1e-6;
        const above = await along();
        value[i] = kept - 1e-6;
        const below = await along();
        value[i] = kept;
        const expected = (above - below) / 2e-6;
        assert.ok(Math.abs(results[gradient][i] - expected) <= 1e-5 * Math.max(1, Math.abs(expected)), `${gradient}[${i}]`);
      }
    }
  });

  it('should compute on the cpu device what the program that is not fused computes there', async () => {
    const device = await openCpu();
    const values = valuesOf(program);
    const expected = await onDevice(device)(program, values);
    const got = await onDevice(device)(fused, values);
    await device.destroy();
    for (const name of ['fc2', ...Object.values(program.gradients)]) assert.ok(excess(got[name], expected[name]) <= 0.1, name);
  });

  describe('where something else needs what would be gone', () => {
    it('should keep a tensor that it is told to keep', () => {
      assert.ok(!rows(fuse(program, [...keep, 'stem.conv'])).includes('stem.conv+relu: conv2d relu'));
      const names = rows(fuse(program, [...keep, 'a.add']));
      assert.ok(!names.some(row => row.startsWith('a.bn2+add')));
    });

    it('should sum two gradients in the memory of one that nobody else needs', () => {
      const sums = (names: readonly string[]) =>
        fuse(program, [...keep, ...names]).nodes.find(({ node, attributes }) => node === 'a.bn2+relu2' && attributes.mask)!;
      const [, , , , first] = sums([]).inputs;
      const [second] = sums([]).writes!;
      assert.deepEqual([first, second].sort(), ['b.conv1:dx', 'b.conv2:dx']);
      assert.deepEqual(sums([second!]).writes, [first]);
      assert.equal(sums([second!]).inputs[4], second);
      const both = sums([first!, second!]);
      assert.deepEqual([both.attributes.sum, both.inputs.length], [undefined, 4]);
    });

    it('should not fuse a rectifier with a layer that another layer reads', () => {
      const g = graph('shared', [4, 4, 2]);
      const x = g.batchNorm2d('bn', g.input);
      const y = g.relu('relu', x);
      const { program: shared, keep: names } = programOf(
        g.output(g.linear('fc', g.flatten('flatten', g.add('add', [x, y])), { features: 2 })),
        'train',
      );
      const after = fuse(shared, names);
      assert.deepEqual(rows(after), []);
      assert.deepEqual(after.nodes, shared.nodes);
    });

    it('should not mask a gradient in place that another node reads', () => {
      // the sum's gradient goes to the rectifier and, as it is, to the other branch
      const g = graph('two readers', [4, 4, 2]);
      const x = g.conv2d('conv', g.input, { filters: 2, kernel: 1 });
      const y = g.relu('relu', g.conv2d('first', x, { filters: 2, kernel: 1 }));
      const sum = g.add('add', [y, g.conv2d('second', x, { filters: 2, kernel: 1 })]);
      const { program: shared, keep: names } = programOf(g.output(g.linear('fc', g.flatten('flatten', sum), { features: 2 })), 'train');
      assert.deepEqual(rows(fuse(shared, names)), ['first+relu: conv2d relu']);
    });
  });
});
