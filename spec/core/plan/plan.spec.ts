import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device, DeviceBuffer } from '../../../core/devices/device.ts';
import { differentiate } from '../../../core/graph/differentiate.ts';
import { lower } from '../../../core/plan/lower.ts';
import { planFor } from '../../../core/plan/plan.ts';
import { planTable } from '../../../core/plan/table.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { editsLength, quantilesLength } from '../../../core/program/edits.ts';
import { fuse } from '../../../core/program/fuse.ts';
import type { Program } from '../../../core/program/program.ts';
import { prune } from '../../../core/program/prune.ts';
import { elements } from '../../../core/shape.ts';
import { tiny } from '../../../models/tiny.ts';
import { opProgram } from '../ops/opProgram.ts';

/** tiny, for two images: evaluated, or with its backward pass from a gradient named `dlogits`. */
function program(mode: 'train' | 'evaluate'): Program {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, tiny(), { batch: 2, mode, pixels: 'u8' });
  if (mode === 'train') backward(builder.declare('dlogits', 'gradient', logits.shape));
  return prune(builder.build(), [logits.name, 'dlogits']);
}
const keep = ['fc', 'dlogits'];

describe('lower', () => {
  const linear = opProgram('linear', { features: 24 }, [[32, 40]]).program;
  const forward = (language: 'wgsl' | 'wasm' | 'none', options = {}, from = linear) => lower(from, language, options).nodes[0]!;

  it("should choose the device's variant, and the definition where there is none", () => {
    // without variants to choose from, none refuses either
    assert.deepEqual(
      [forward('none').refused, forward('wasm', { variants: false }).refused, forward('wasm').refused],
      [false, false, false],
    );
    const grouped = opProgram('conv2d', { filters: 6, kernel: 3, groups: 3 }, [[1, 8, 8, 6]]).program;
    assert.deepEqual([forward('wgsl', {}, grouped).variant, forward('wgsl', {}, grouped).refused], [undefined, true]);
    assert.match(forward('wgsl').variant!, /^linear\/wgsl/);
    assert.match(forward('wasm').variant!, /^linear\/wasm/);
    assert.equal(forward('none').variant, undefined);
    assert.ok(forward('wasm').launches.some(launch => 'body' in launch && launch.body.language === 'wasm'));
  });

  it('should keep to the definitions when it is told so', () => {
    for (const language of ['wgsl', 'wasm'] as const) {
      const plain = forward(language, { variants: false });
      assert.equal(plain.variant, undefined);
      assert.ok(plain.launches.every(launch => !('body' in launch)));
      assert.deepEqual(
        plain.launches.map(({ kernel }) => kernel.name),
        forward('none').launches.map(({ kernel }) => kernel.name),
      );
    }
  });

  it('should go on to the next variant where one does not apply, and to the definition where it may take no other', () => {
    const winograd = 'conv2d/wasm-winograd-4x4';
    const conv = (stride: number) => opProgram('conv2d', { filters: 16, kernel: 3, padding: 1, stride }, [[2, 16, 16, 16]]).program;
    assert.equal(forward('wasm', {}, conv(1)).variant, winograd);
    assert.equal(forward('wasm', {}, conv(2)).variant, 'conv2d/wasm-gemm');
    assert.equal(forward('wasm', { exact: true }, conv(1)).variant, 'conv2d/wasm-gemm');
    assert.equal(forward('wasm', { variants: [winograd] }, conv(1)).variant, winograd);
    assert.equal(forward('wasm', { variants: [winograd] }, conv(2)).variant, undefined);
  });

  it('should know every tensor that its launches name, scratch ones too, each under one name', () => {
    const from = program('train');
    const { nodes, tensors } = lower(from, 'none');
    assert.equal(nodes.length, from.nodes.length);
    const own = new Set(Object.keys(from.tensors));
    const owners = new Map<string, number>();
    for (const [index, { launches, node, cost }] of nodes.entries()) {
      assert.ok(launches.length > 0 && cost.bytes > 0 && cost.flops >= 0, node.primitive);
      assert.equal(launches.at(-1)!.output, node.output);
      for (const name of launches.flatMap(({ inputs, output }) => [...inputs, output])) {
        assert.ok(tensors.has(name), `${node.primitive} names "${name}"`);
        if (!own.has(name)) assert.equal(owners.get(name) ?? index, index, `"${name}" belongs to two nodes`);
        if (!own.has(name)) owners.set(name, index);
      }
    }
    assert.ok(owners.size > 0, 'no node has scratch tensors');
  });
});

describe('planFor', () => {
  let device: Device;
  beforeEach(async () => {
    device = await openCpu();
  });
  afterEach(() => device.destroy());

  it('should place every tensor, and give lasting ones a buffer of their own', async () => {
    const from = program('train');
    const placed = new Map<string, DeviceBuffer>();
    const plan = await planFor(from, { device, placed, keep });
    const lasting = Object.values(from.tensors).filter(
      ({ name, kind }) => keep.includes(name) || !['activation', 'gradient'].includes(kind),
    );
    assert.deepEqual([...placed.keys()].sort(), lasting.map(({ name }) => name).sort());
    for (const [name, buffer] of placed) {
      const sharing = [...plan.buffers].filter(([, other]) => other === buffer).map(([other]) => other);
      assert.deepEqual(sharing, [name]);
    }
    for (const [name, { shape, dtype }] of plan.lowered.tensors) {
      const size = elements(shape) * (dtype === 'u8' ? 1 : 4);
      assert.ok(plan.buffers.get(name)!.bytes >= size, name);
    }
    assert.equal(
      device.allocatedBytes,
      plan.memory.reduce((sum, { bytes }) => sum + bytes, 0),
    );
  });

  it('should let no launch read and write one buffer, but where it updates in place', async () => {
    const { lowered, buffers } = await planFor(program('train'), { device, placed: new Map(), keep });
    for (const { launches } of lowered.nodes) {
      for (const launch of launches) {
        const { kernel, inputs, output } = launch;
        const inPlace = 'body' in launch ? inputs.includes(output) : launch.kernel.inout !== undefined;
        const same = inputs.filter(name => buffers.get(name) === buffers.get(output));
        assert.deepEqual(same, inPlace ? [output] : [], kernel.name);
      }
    }
  });

  it('should share activations: less memory than all tensors together', async () => {
    const { lowered, buffers } = await planFor(program('train'), { device, placed: new Map(), keep });
    const all = [...lowered.tensors.values()].reduce((sum, { shape, dtype }) => sum + elements(shape) * (dtype === 'u8' ? 1 : 4), 0);
    assert.ok(new Set([...buffers.values()].map(({ label }) => label)).size < lowered.tensors.size);
    assert.ok(device.allocatedBytes < 0.8 * all, `${device.allocatedBytes} of ${all}`);
  });

  it('should find what other plans have placed, and take over their pool', async () => {
    const [placed, pool] = [new Map<string, DeviceBuffer>(), [] as DeviceBuffer[]];
    const train = await planFor(program('train'), { device, placed, keep, pool });
    const [bytes, size, count] = [device.allocatedBytes, placed.size, pool.length];
    const evaluate = await planFor(program('evaluate'), { device, placed, keep, pool });
    assert.equal(evaluate.buffers.get('conv.weight'), train.buffers.get('conv.weight'));
    assert.equal(evaluate.buffers.get('fc'), train.buffers.get('fc'));
    assert.equal(placed.size, size);
    // every activation of evaluation fits a buffer of training
    assert.equal(pool.length, count);
    assert.equal(device.allocatedBytes, bytes);
  });

  it('should compile the segments that there are, and say so of others', async () => {
    const train = await planFor(program('train'), { device, placed: new Map(), keep });
    const count = (segment: string) =>
      train.lowered.nodes.filter(node => node.segment === segment).reduce((sum, { launches }) => sum + launches.length, 0);
    assert.equal(train.segment('forward').launches, count('forward'));
    assert.equal(train.segment('backward').launches, count('backward'));
    assert.throws(() => train.segment('update'), /the plan has no update segment/);
    assert.equal((await train.compileNode(0)).launches, train.lowered.nodes[0]!.launches.length);
  });

  it('should replace a node with memory for what is added alone, and leave the other segments', async () => {
    const placed = new Map<string, DeviceBuffer>();
    const train = await planFor(program('train'), { device, placed, keep });
    const before = device.allocatedBytes;
    const shape = [2, editsLength(3)];
    const edits = { name: 'edits', kind: 'input', shape, dtype: 'f32' } as const;
    const { node, ...lone } = train.program.nodes[0]!;
    const replaced = await train.replacing({ node, ...lone, primitive: 'toFloat.edited', inputs: [...lone.inputs, 'edits'] }, [edits]);
    assert.equal(device.allocatedBytes - before, placed.get('edits')!.bytes);
    assert.ok(placed.get('edits')!.bytes >= 8 * editsLength(3));
    assert.deepEqual(
      replaced.lowered.nodes.map(each => each.node.primitive),
      train.lowered.nodes.map(each => each.node.primitive).with(0, 'toFloat.edited'),
    );
    assert.equal(replaced.segment('backward'), train.segment('backward'));
    assert.notEqual(replaced.segment('forward'), train.segment('forward'));
    for (const [name, buffer] of train.buffers) assert.equal(replaced.buffers.get(name), buffer, name);
    // memory inside its kernels is its own, under names of its own
    const left = device.allocatedBytes;
    const quantiles = { name: 'quantiles', kind: 'input', shape: [quantilesLength], dtype: 'f32' } as const;
    const inputs = [...lone.inputs, 'edits', 'quantiles'];
    const adjusted = await train.replacing({ node, ...lone, primitive: 'toFloat.adjusted', inputs }, [edits, quantiles]);
    const names = [...placed.keys()].filter(name => name.startsWith('toFloat.adjusted scratch'));
    assert.equal(names.length, 3);
    const sum = ['quantiles', ...names].reduce((bytes, name) => bytes + placed.get(name)!.bytes, 0);
    assert.equal(device.allocatedBytes - left, sum);
    for (const name of names) assert.ok(adjusted.memory.includes(placed.get(name)!), name);
  });

  it('should compute what the same program computes with a buffer for every tensor', async () => {
    const from = program('evaluate');
    const run = async (names: readonly string[]) => {
      const { buffers, segment } = await planFor(from, { device, placed: new Map(), keep: names });
      for (const [i, { name, kind, shape, dtype }] of Object.values(from.tensors).entries()) {
        if (kind === 'activation') continue;
        const values = Array.from({ length: elements(shape) }, (_, n) => 0.1 + ((n * 7 + i * 3) % 11) / 10);
        device.write(buffers.get(name)!, dtype === 'u8' ? Uint8Array.from(values, value => value * 100) : Float32Array.from(values));
      }
      await device.run(segment('forward'));
      return [...(await device.read(buffers.get('fc')!, 80))];
    };
    const shared = await run(['fc']);
    assert.ok(shared.every(Number.isFinite) && new Set(shared).size > 10);
    assert.deepEqual(await run(Object.keys(from.tensors)), shared);
  });
});

const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;

describe('planTable', () => {
  it('should show tiny as it is', async () => {
    const device = await openCpu();
    const plan = await planFor(fuse(program('evaluate'), keep), { device, placed: new Map(), keep });
    assert.equal(
      planTable(plan),
      `\
segment  node     kernel                        shape       output  MFLOP  MB moved  buffer
forward  input    toFloat                       [2,8,8,3]  1.5 KiB   0.00      0.00  activations 0 at 0 KiB
forward  conv     conv2d ×2                     [2,8,8,8]  4.0 KiB   0.06      0.01  activations 0 at 0 KiB
forward  bn+relu  batchNorm2d.evaluate+relu ×2  [2,8,8,8]  4.0 KiB   0.01      0.01  activations 0 at 4 KiB
forward  pool     maxPool2d                     [2,4,4,8]  1.0 KiB   0.00      0.01  activations 0 at 0 KiB
forward  avgpool  adaptiveAvgPool2d             [2,2,2,8]    256 B   0.00      0.00  activations 0 at 1 KiB
forward  flatten  flatten                       [2,32]       256 B   0.00      0.00  activations 0 at 0 KiB
forward  fc       linear ×2                     [2,10]        80 B   0.00      0.00  fc
7 nodes, 10 launches, 0.064 MFLOP, peak memory 10.8 KiB in 12 buffers`,
    );
    await device.destroy();
  });

  it('should total what its rows say, and name variants', async () => {
    const device = await openCpu();
    const from = program('train');
    const plan = await planFor(from, { device, placed: new Map(), keep });
    const lines = planTable(plan).split('\n');
    assert.deepEqual(lines[0]!.split(/ {2,}/), ['segment', 'node', 'kernel', 'shape', 'output', 'MFLOP', 'MB moved', 'buffer']);
    assert.equal(lines.length, from.nodes.length + 2);
    assert.ok(lines.some(line => /^backward +bn +batchNorm2d\.inputGradient in place /.test(line)));
    const launches = plan.lowered.nodes.reduce((sum, node) => sum + node.launches.length, 0);
    const flops = plan.lowered.nodes.reduce((sum, { cost }) => sum + cost.flops, 0);
    const count = plan.memory.length;
    assert.equal(
      lines.at(-1),
      `${from.nodes.length} nodes, ${launches} launches, ${(flops / 1e6).toFixed(3)} MFLOP, peak memory ${kib(device.allocatedBytes)} in ${count} buffers`,
    );
    // as if no variant took its last layer
    const refusing = {
      ...plan,
      lowered: { ...plan.lowered, nodes: plan.lowered.nodes.map(each => ({ ...each, refused: each.node.node === 'fc' })) },
    };
    assert.match(
      planTable(refusing).split('\n').at(-2)!,
      /^gpu\.js kernels where no variant takes the shapes, or what is fused: linear of fc; linear\.filterGradient of fc; /,
    );
    const lowered = lower(opProgram('linear', { features: 24 }, [[32, 40]]).program, 'wasm');
    const hungry = { ...plan, memory: [{ bytes: 5000, label: 'arena' }], scratchBytes: 1000 };
    assert.match(planTable(hungry), /, peak memory 3\.9 KiB and 1000 B of scratch in 1 buffers$/);
    assert.match(planTable({ ...plan, lowered, buffers: new Map() }), /^forward +\S* +linear\/wasm-\S+ +\[32,24\] +3\.0 KiB +0\.06 /m);
    await device.destroy();
  });
});
