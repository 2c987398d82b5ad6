import assert from 'node:assert/strict';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { type Fused, type FusedAttribute, fusedAttributes, fusedIn } from '../../../core/ops/fusion.ts';
import { primitive } from '../../../core/ops/index.ts';
import type { Tensor } from '../../../core/ops/op.ts';
import { lower } from '../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import type { Program } from '../../../core/program/program.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { assertClose, noise } from './finiteDifferences.ts';
import { excess } from './golden.ts';
import { interpret, onDevice } from './run.ts';

type Input = (name: string, shape: Shape) => Tensor;
type Write = (program: ProgramBuilder, input: Input) => void;
/** A fused primitive and the primitives that it stands for; and which of their tensors are the same numbers. */
interface Case {
  readonly primitive: string;
  readonly fused: Fused;
  readonly shape: Shape;
  /** Tensor of `whole` → tensor of `parts`. */
  readonly compared: Readonly<Record<string, string>>;
  readonly whole: Write;
  readonly parts: Write;
}

const eps = 1e-3;
const window = { stride: 1, padding: 1, dilation: 1, groups: 1 };

function products(): Case[] {
  const cases: Case[] = [];
  for (const [kernel, shape, filters, more] of [
    [3, [2, 7, 9, 8], 16, {}],
    [3, [1, 5, 6, 3], 5, { stride: 2 }],
    [1, [2, 6, 6, 16], 24, { padding: 0 }],
    [3, [2, 5, 5, 6], 9, { groups: 3 }],
    [5, [1, 9, 8, 4], 8, { padding: 2 }],
  ] as const) {
    const place = { ...window, ...more };
    const size = (extent: number) => Math.floor((extent + 2 * place.padding - kernel) / place.stride) + 1;
    const output = [shape[0], size(shape[1]), size(shape[2]), filters];
    for (const bias of [true, false]) {
      const operands = (input: Input) => [
        input('x', shape),
        input('weight', [kernel, kernel, shape[3] / place.groups, filters]),
        ...(bias ? [input('bias', [filters])] : []),
      ];
      cases.push({
        primitive: 'conv2d',
        fused: { relu: true },
        shape,
        compared: { y: 'y' },
        whole: (program, input) => program.emit('conv2d', 'y', output, operands(input), { ...place, relu: true }),
        parts: (program, input) => program.emit('relu', 'y', output, [program.emit('conv2d', 'sum', output, operands(input), place)]),
      });
    }
  }
  for (const [rows, from, to] of [
    [4, 40, 24],
    [9, 7, 5],
  ]) {
    const operands = (input: Input) => [input('x', [rows, from]), input('weight', [from, to]), input('bias', [to])];
    cases.push({
      primitive: 'linear',
      fused: { relu: true },
      shape: [rows, from],
      compared: { y: 'y' },
      whole: (program, input) => program.emit('linear', 'y', [rows, to], operands(input), { relu: true }),
      parts: (program, input) => program.emit('relu', 'y', [rows, to], [program.emit('linear', 'sum', [rows, to], operands(input))]),
    });
  }
  for (const [name, shape] of [
    ['conv2d.biasGradient', [2, 7, 9, 8]],
    ['conv2d.biasGradient', [3, 5, 5, 5]],
    ['linear.biasGradient', [9, 24]],
    ['linear.biasGradient', [4, 7]],
  ] as const) {
    const operands = (input: Input) => [input('dy', shape), input('y', shape)];
    cases.push({
      primitive: name,
      fused: { mask: true },
      shape,
      compared: { dbias: 'dbias', dy: 'dy' },
      whole: (program, input) => program.emit(name, 'dbias', [shape.at(-1)!], operands(input), { mask: true }),
      parts(program, input) {
        const [dy, y] = operands(input);
        program.update('relu.inputGradient', dy, [y, dy], { inPlace: 1 });
        program.emit(name, 'dbias', [shape.at(-1)!], [dy]);
      },
    });
  }
  return cases;
}

function batchNorms(shape: Shape): Case[] {
  const C = shape.at(-1)!;
  const cases: Case[] = [];
  for (const [name, statistics] of [
    ['batchNorm2d', [[3, C]]],
    ['batchNorm2d.evaluate', [[C], [C]]],
  ] as const) {
    for (const fused of [{ relu: true }, { residual: true }, { relu: true, residual: true }]) {
      const operands = (input: Input) => [
        input('x', shape),
        // variances: squared below
        ...statistics.map((each, i) => input(`statistics ${i}`, each)),
        input('weight', [C]),
        input('bias', [C]),
      ];
      cases.push({
        primitive: name,
        fused,
        shape,
        compared: { y: 'y' },
        whole(program, input) {
          const more = fused.residual ? [input('residual', shape)] : [];
          program.emit(name, 'y', shape, [...operands(input), ...more], { eps, ...fused });
        },
        parts(program, input) {
          let y = program.emit(name, fused.relu || fused.residual ? 'normal' : 'y', shape, operands(input), { eps });
          if (fused.residual) y = program.emit('add', fused.relu ? 'sum' : 'y', shape, [y, input('residual', shape)]);
          if (fused.relu) program.emit('relu', 'y', shape, [y]);
        },
      });
    }
  }
  const forward = (input: Input) => [input('x', shape), input('dy', shape), input('statistics 0', [3, C])];
  /** dy where the forward pass is above 0. */
  const gated = (program: ProgramBuilder, input: Input) => {
    const [x, dy, statistics] = forward(input);
    const y = program.emit('batchNorm2d', 'normal', shape, [x, statistics, input('weight', [C]), input('bias', [C])], { eps });
    return [x, program.emit('relu.inputGradient', 'gated', shape, [y, dy]), statistics] as const;
  };
  cases.push(
    {
      primitive: 'batchNorm2d.gradientSums',
      fused: { gate: true },
      shape,
      compared: { sums: 'sums' },
      whole(program, input) {
        const inputs = [...forward(input), input('weight', [C]), input('bias', [C])];
        program.emit('batchNorm2d.gradientSums', 'sums', [2, C], inputs, { eps, gate: true });
      },
      parts: (program, input) => program.emit('batchNorm2d.gradientSums', 'sums', [2, C], gated(program, input), { eps }),
    },
    {
      primitive: 'batchNorm2d.gradientSums',
      fused: { mask: true },
      shape,
      compared: { sums: 'sums', dy: 'dy' },
      whole(program, input) {
        program.emit('batchNorm2d.gradientSums', 'sums', [2, C], [...forward(input), input('y', shape)], { eps, mask: true });
      },
      parts(program, input) {
        const [x, dy, statistics] = forward(input);
        program.update('relu.inputGradient', dy, [input('y', shape), dy], { inPlace: 1 });
        program.emit('batchNorm2d.gradientSums', 'sums', [2, C], [x, dy, statistics], { eps });
      },
    },
    {
      primitive: 'batchNorm2d.gradientSums',
      fused: { mask: true, sum: true },
      shape,
      compared: { sums: 'sums', dy: 'sum' },
      whole(program, input) {
        const inputs = [...forward(input), input('y', shape), input('other', shape)];
        program.emit('batchNorm2d.gradientSums', 'sums', [2, C], inputs, { eps, mask: true, sum: true });
      },
      parts(program, input) {
        const [x, dy, statistics] = forward(input);
        const sum = program.emit('add', 'sum', shape, [input('other', shape), dy!]);
        program.update('relu.inputGradient', sum, [input('y', shape), sum], { inPlace: 1 });
        program.emit('batchNorm2d.gradientSums', 'sums', [2, C], [x!, sum, statistics!], { eps });
      },
    },
    {
      primitive: 'batchNorm2d.inputGradient',
      fused: { gate: true },
      shape,
      compared: { dx: 'dx' },
      whole(program, input) {
        const inputs = [...forward(input), input('weight', [C]), input('sums', [2, C]), input('bias', [C])];
        program.emit('batchNorm2d.inputGradient', 'dx', shape, inputs, { eps, gate: true });
      },
      parts(program, input) {
        const inputs = [...gated(program, input), input('weight', [C]), input('sums', [2, C])];
        program.emit('batchNorm2d.inputGradient', 'dx', shape, inputs, { eps });
      },
    },
  );
  for (const gate of [false, true]) {
    const inputs = (input: Input) => [
      ...forward(input),
      input('weight', [C]),
      input('sums', [2, C]),
      ...(gate ? [input('bias', [C])] : []),
    ];
    const attributes = { eps, ...(gate && { gate }) };
    for (const inPlace of [0, 1]) {
      cases.push({
        primitive: 'batchNorm2d.inputGradient',
        fused: { ...(gate && { gate }), inPlace },
        shape,
        compared: { [inPlace === 0 ? 'x' : 'dy']: 'dx' },
        whole(program, input) {
          const operands = inputs(input);
          program.update('batchNorm2d.inputGradient', operands[inPlace]!, operands, { ...attributes, inPlace });
        },
        parts: (program, input) => program.emit('batchNorm2d.inputGradient', 'dx', shape, inputs(input), attributes),
      });
    }
  }
  return cases;
}

function elementwise(shape: Shape): Case[] {
  return (
    [
      ['relu', 0],
      ['relu.inputGradient', 1],
      ['add', 0],
      ['add', 1],
    ] as const
  ).map(([name, inPlace]) => {
    const operands = (input: Input) => (name === 'relu' ? [input('a', shape)] : [input('a', shape), input('b', shape)]);
    return {
      primitive: name,
      fused: { inPlace },
      shape,
      compared: { [inPlace === 0 ? 'a' : 'b']: 'y' },
      whole: (program, input) => program.update(name, operands(input)[inPlace]!, operands(input), { inPlace }),
      parts: (program, input) => program.emit(name, 'y', shape, operands(input)),
    };
  });
}

/** Tensors by name, each declared once. Variances are above 0. */
function build(write: Write): { program: Program; values: Record<string, Float32Array> } {
  const builder = new ProgramBuilder();
  builder.node = 'layer';
  const values: Record<string, Float32Array> = {};
  write(builder, (name, shape) => {
    if (builder.has(name)) return builder.get(name);
    const seed = [...name].reduce((sum, letter) => 31 * sum + letter.charCodeAt(0), 7) % 1e6;
    values[name] = Float32Array.from(noise(elements(shape), seed));
    const from = name === 'statistics 0' && shape.length === 2 ? 2 * shape[1]! : name === 'statistics 1' ? 0 : Number.POSITIVE_INFINITY;
    for (let i = from; i < values[name].length; i++) values[name][i] = 0.2 + values[name][i]! ** 2;
    return builder.declare(name, 'input', shape);
  });
  return { program: builder.build(), values };
}

const cases: readonly Case[] = [
  ...products(),
  ...[
    [2, 5, 7, 8],
    [3, 4, 4, 6],
    [1, 19, 17, 3],
    [5, 2],
  ].flatMap(batchNorms),
  ...[
    [2, 5, 7, 8],
    [3, 7],
  ].flatMap(elementwise),
];
/** All of them as one program, whose tensors have the number of their case before their name. */
const together = cases.reduce<{ program: Program; values: Record<string, Float32Array> }>(
  (all, { whole }, at) => {
    const { program, values } = build(whole);
    const name = (of: string) => `${at} ${of}`;
    const renamed = program.nodes.map(node => ({ ...node, inputs: node.inputs.map(name), output: name(node.output) }));
    const tensors = Object.values(program.tensors).map(tensor => [name(tensor.name), { ...tensor, name: name(tensor.name) }] as const);
    return {
      program: {
        ...all.program,
        nodes: [...all.program.nodes, ...renamed],
        tensors: { ...all.program.tensors, ...Object.fromEntries(tensors) },
      },
      values: { ...all.values, ...Object.fromEntries(Object.entries(values).map(([of, value]) => [name(of), value])) },
    };
  },
  { program: { tensors: {}, nodes: [], gradients: {} }, values: {} },
);
const titleOf = ({ primitive: name, fused, shape }: Case) => `${name} with ${Object.keys(fused).join(', ')} on [${shape}]`;

describe('fused attributes', () => {
  it('should be those of the type, and found among others', () => {
    const all: Record<FusedAttribute, true> = { relu: true, residual: true, gate: true, mask: true, sum: true, inPlace: true };
    assert.deepEqual([...fusedAttributes].sort(), Object.keys(all).sort());
    assert.deepEqual(fusedIn({ stride: 2, relu: true, residual: false, inPlace: 0 }), ['relu', 'inPlace']);
    assert.deepEqual(fusedIn(undefined), []);
  });

  for (const each of cases) {
    it(`should mean the separate primitives: ${titleOf(each)}`, async () => {
      const [whole, parts] = [build(each.whole), build(each.parts)];
      assert.deepEqual(fusedIn(whole.program.nodes[0]!.attributes), Object.keys(each.fused));
      const got = await interpret({ strict: true })(whole.program, whole.values);
      const expected = await interpret()(parts.program, { ...parts.values });
      for (const [name, other] of Object.entries(each.compared)) assertClose(got[name]!, expected[other]!);
    });
  }

  it('should keep a variant from a node with an attribute that it does not list', () => {
    const { program } = build(cases.find(each => each.primitive === 'add')!.whole);
    const [node] = program.nodes;
    assert.equal(lower(program, 'wasm').nodes[0]!.variant, 'add/wasm');
    const strange = { ...program, nodes: [{ ...node!, attributes: { ...node!.attributes, gate: true } }] };
    assert.equal(lower(strange, 'wasm').nodes[0]!.variant, undefined);
  });

  const devices: Record<string, (context: Mocha.Context) => Promise<Device>> = {
    cpu: openCpu,
    'wasm, 1 thread': () => openWasm({ threads: 1 }),
    'wasm, 3 threads': () => openWasm({ threads: 3 }),
    'webgpu, a software adapter too': openAnyWebgpu,
  };
  for (const [label, open] of Object.entries(devices)) {
    it(`should be refused or honoured by every variant on ${label}`, async function () {
      this.timeout(120_000);
      const device = await open(this);
      const failures: string[] = [];
      const features = device.features ?? new Set<string>();
      try {
        const { program, values } = together;
        const expected = await interpret()(program, values);
        const registered = [...new Set(cases.map(each => each.primitive))].map(name => primitive(name).variants ?? []);
        const most = Math.max(...registered.map(({ length }) => length));
        // the definitions; then the first variant of every primitive, the second, …
        for (let turn = -1; turn < most; turn++) {
          const names = registered.flatMap(variants => variants[turn]?.name ?? []);
          const { nodes } = lower(program, device.language, { variants: names, features });
          if (turn >= 0 && nodes.every(({ variant }) => variant === undefined)) continue;
          const got = await onDevice(device, { variants: names, features })(program, values);
          for (const [at, each] of cases.entries()) {
            for (const name of Object.keys(each.compared)) {
              const error = excess(got[`${at} ${name}`]!, expected[`${at} ${name}`]!);
              const { variant = 'definition' } = nodes[at]!;
              if (!(error <= 1)) failures.push(`${titleOf(each)}, ${variant}: ${name} ${error.toPrecision(3)}`);
            }
          }
        }
      } finally {
        await device.destroy();
      }
      assert.deepEqual(failures, []);
    });
  }
});
