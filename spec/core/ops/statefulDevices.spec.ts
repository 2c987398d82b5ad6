import assert from 'node:assert/strict';
import { normalQuantiles } from '../../../core/data/augment/noise.ts';
import { openCpu } from '../../../core/devices/cpu.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { crossEntropy } from '../../../core/losses/index.ts';
import { op } from '../../../core/ops/index.ts';
import { adam, adamw, type Optimizer, sgd } from '../../../core/optimizers/index.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { quantilesLength } from '../../../core/program/edits.ts';
import { fillHyper, hyperLength, hyperName, hyperTensor } from '../../../core/program/hyper.ts';
import type { Program } from '../../../core/program/program.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { openAnyWebgpu } from '../devices/openAnyWebgpu.ts';
import { noise } from './finiteDifferences.ts';
import { excess } from './golden.ts';
import { opProgram } from './opProgram.ts';
import { randomAdjustments, randomEdits } from './randomEdits.ts';
import { interpret, onDevice } from './run.ts';

interface Case {
  readonly name: string;
  readonly program: Program;
  /** What is compared; every tensor that kernels write unless given. */
  readonly compared?: readonly string[];
  readonly values?: Readonly<Record<string, ArrayLike<number>>>;
  /** Whether the same elements must be zero. */
  readonly exact?: boolean;
}

const hyper = new Float32Array(hyperLength);
fillHyper(hyper, { lr: 0.1, step: 3, seed: 11, corrections: { first: 0.3, second: 0.004 } });

const layer = (name: string, attributes: Record<string, unknown>, shape: Shape, mode: 'train' | 'evaluate' = 'train'): Case => ({
  name: `${name} ${mode} ${shape.join('x')}`,
  program: opProgram(name, attributes, [shape], { mode }).program,
  values: { 'layer.running_var': noise(shape[shape.length - 1], 3).map(value => value + 1.5) },
});

function dropped(shape: Shape): Case {
  const program = new ProgramBuilder();
  const inputs = [program.declare('x', 'input', shape)];
  op('dropout').forward(program, { name: 'drop', attributes: { probability: 0.3 }, inputs, parameters: {}, mode: 'train' });
  return {
    name: `dropout ${shape.join('x')}`,
    program: program.build(),
    values: { x: new Float32Array(elements(shape)).fill(0.7) },
    exact: true,
  };
}

function converted(shape: Shape): Case {
  const program = new ProgramBuilder();
  const C = shape[shape.length - 1];
  const pixels = program.declare('pixels', 'input', shape, { dtype: 'u8' });
  program.emit('toFloat', 'images', shape, [pixels, program.declare('normalization', 'input', [2, C])]);
  const bytes = Uint8Array.from({ length: elements(shape) }, (_, i) => (i * 37) % 256);
  return { name: `toFloat ${shape.join('x')}`, program: program.build(), values: { pixels: bytes } };
}

function edited(shape: Shape, primitive: 'toFloat.edited' | 'toFloat.adjusted' = 'toFloat.edited'): Case {
  const program = new ProgramBuilder();
  const C = shape[shape.length - 1];
  const pixels = program.declare('pixels', 'input', shape, { dtype: 'u8' });
  const adjusts = primitive === 'toFloat.adjusted';
  const edits = adjusts ? randomAdjustments(shape, 5) : randomEdits(shape, 5).values;
  const inputs = [
    pixels,
    program.declare('normalization', 'input', [2, C]),
    program.declare('edits', 'input', [shape[0], edits.length / shape[0]]),
    ...(adjusts ? [program.declare('quantiles', 'input', [quantilesLength])] : []),
  ];
  program.emit(primitive, 'images', shape, inputs);
  const bytes = Uint8Array.from({ length: elements(shape) }, (_, i) => (i * 37) % 256);
  return {
    name: `${primitive} ${shape.join('x')}`,
    program: program.build(),
    values: { pixels: bytes, edits, quantiles: normalQuantiles() },
  };
}

function lossOf(N: number, C: number, logits: ArrayLike<number> = noise(N * C, 9).map(value => 6 * value)): Case {
  const program = new ProgramBuilder();
  const inputs = { logits: program.declare('logits', 'input', [N, C]), targets: program.declare('targets', 'input', [N]) };
  crossEntropy({ labelSmoothing: 0.1 }).build(program, { ...inputs, hyper: hyperTensor(program), train: true });
  const targets = Array.from({ length: N }, (_, n) => (n % 4 === 3 ? -1 : (n * 7) % C));
  return { name: `crossEntropy ${N}x${C}`, program: program.build(), values: { logits, targets } };
}

function mixedLossOf(N: number, C: number): Case {
  const program = new ProgramBuilder();
  const input = (name: string) => program.declare(name, 'input', [N]);
  const mixed = { targets: input('seconds'), weights: input('weights') };
  const inputs = { logits: program.declare('logits', 'input', [N, C]), targets: input('targets'), mixed };
  crossEntropy({ labelSmoothing: 0.1 }).build(program, { ...inputs, hyper: hyperTensor(program), train: true });
  const labels = (factor: number) => Array.from({ length: N }, (_, n) => (n % 4 === 3 ? -1 : (n * factor) % C));
  const values = {
    logits: noise(N * C, 9).map(value => 6 * value),
    targets: labels(7),
    seconds: labels(5),
    weights: noise(N, 3).map(value => Math.abs(value) / 2),
  };
  return { name: `crossEntropy of mixed samples ${N}x${C}`, program: program.build(), values };
}

function updated(optimizer: Optimizer, length: number): Case {
  const program = new ProgramBuilder();
  const parameter = program.declare('p', 'parameter', [length]);
  const gradient = program.declare('dp', 'input', [length]);
  optimizer.build(program, { parameter: program.get(parameter.name), gradient, hyper: hyperTensor(program) });
  const built = program.build();
  const kept = Object.keys(built.tensors).filter(name => name.startsWith('p:'));
  const values = Object.fromEntries(kept.map((name, i) => [name, noise(length, 20 + i).map(Math.abs)]));
  return { name: `${optimizer.name}, keeps ${optimizer.state.join(', ')}`, program: built, values };
}

const cases: readonly Case[] = [
  layer('batchNorm2d', {}, [3, 5, 7, 6]),
  layer('batchNorm2d', {}, [1, 19, 17, 3]),
  layer('batchNorm2d', {}, [5, 2]),
  layer('batchNorm2d', {}, [3, 5, 7, 6], 'evaluate'),
  layer('relu', {}, [3, 5, 7, 3]),
  layer('localResponseNorm', { size: 5, alpha: 0.5, k: 2 }, [2, 3, 5, 7]),
  layer('localResponseNorm', { size: 4, alpha: 0.5, beta: 0.5 }, [1, 2, 3, 3]),
  layer('softmax', {}, [5, 11]),
  // more than 4096 elements, and more than one block of each device
  dropped([3, 5, 7, 101]),
  converted([2, 5, 3, 3]),
  edited([3, 7, 5, 3]),
  edited([5, 7, 5, 3], 'toFloat.adjusted'),
  edited([4, 5, 3, 1], 'toFloat.adjusted'),
  converted([1, 7, 5, 1]),
  mixedLossOf(13, 37),
  lossOf(7, 10),
  lossOf(3, 2),
  updated(sgd({ lr: 0.1, weightDecay: 0.01 }), 37),
  updated(sgd({ lr: 0.1, momentum: 0.9, dampening: 0.1, weightDecay: 0.01 }), 37),
  updated(sgd({ lr: 0.1, momentum: 0.9, nesterov: true }), 5),
  updated(adam({ lr: 0.1, weightDecay: 0.01 }), 37),
  updated(adamw({ lr: 0.1, weightDecay: 0.01 }), 38),
];

const devices: Record<string, (context: Mocha.Context) => Promise<Device>> = {
  cpu: openCpu,
  wasm: () => openWasm({ threads: 2 }),
  'webgpu, a software adapter too': openAnyWebgpu,
};

describe('normalisation, dropout, losses and optimizers on devices', () => {
  for (const [name, open] of Object.entries(devices)) {
    it(`should compute on ${name} what their kernels say in float64`, async function () {
      this.timeout(60_000);
      const device = await open(this);
      const failures: string[] = [];
      try {
        for (const { name: what, program, values: given = {}, exact = false } of cases) {
          const values: Record<string, ArrayLike<number>> = { [hyperName]: hyper };
          Object.values(program.tensors).forEach(({ name: tensor, kind, shape }, i) => {
            if (kind !== 'activation' && kind !== 'gradient' && kind !== 'result') {
              values[tensor] ??= given[tensor] ?? Float32Array.from(noise(elements(shape), i));
            }
          });
          const expected = await interpret()(program, values);
          const got = await onDevice(device, { variants: false })(program, values);
          for (const tensor of new Set(program.nodes.map(({ output }) => output))) {
            if (exact) {
              const zeros = (values: ArrayLike<number>) => Array.from(values, value => value === 0).join();
              if (zeros(got[tensor]) !== zeros(expected[tensor])) failures.push(`${what}: ${tensor}: another mask`);
            }
            const error = excess(got[tensor], expected[tensor]);
            if (!(error <= 1)) failures.push(`${what}: ${tensor}: ${error.toPrecision(3)} times the allowed error`);
          }
        }
      } finally {
        await device.destroy();
      }
      assert.deepEqual(failures, []);
    });

    it(`should let NaN through relu, and NaN and infinite logits surface in the loss on ${name}`, async function () {
      this.timeout(60_000);
      const device = await open(this);
      try {
        for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const logits = noise(30, 1);
          logits[11] = bad;
          const { program, values } = lossOf(3, 10, logits);
          const { loss } = await onDevice(device)(program, { ...values, [hyperName]: hyper });
          assert.ok(!Number.isFinite(loss[0]), `${bad} gives ${loss[0]}`);
        }
        const { program, inputs, output } = opProgram('relu', {}, [[3]], { backward: false });
        const results = await onDevice(device)(program, { [inputs[0]]: [1, Number.NaN, -1] });
        assert.deepEqual(Array.from(results[output]), [1, Number.NaN, 0]);
      } finally {
        await device.destroy();
      }
    });
  }
});
