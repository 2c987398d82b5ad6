import assert from 'node:assert/strict';
import { differentiate } from '../../../core/graph/differentiate.ts';
import { crossEntropy } from '../../../core/losses/index.ts';
import { adam, type Optimizer, sgd } from '../../../core/optimizers/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { fuse } from '../../../core/program/fuse.ts';
import { hyperTensor } from '../../../core/program/hyper.ts';
import type { Program } from '../../../core/program/program.ts';
import { prune } from '../../../core/program/prune.ts';
import { model } from '../../../models/index.ts';

/** What every WebGPU adapter grants. */
const MOST_ARRAYS = 8;
const MOST_GROUPS = 65_535;

function training(name: string, size: number, batch: number): { program: Program; keep: string[] } {
  const builder = new ProgramBuilder();
  const { logits, backward } = differentiate(builder, model(name, { classes: 1000, size }), { batch, mode: 'train', pixels: 'u8' });
  const gradient = builder.declare('logits:gradient', 'gradient', logits.shape);
  backward(gradient);
  const keep = [logits.name, gradient.name];
  return { program: prune(builder.build(), keep), keep };
}

function lossOf(batch: number): Program {
  const builder = new ProgramBuilder();
  const logits = builder.declare('logits', 'activation', [batch, 1000]);
  const targets = builder.declare('targets', 'input', [batch]);
  crossEntropy({ labelSmoothing: 0.1 }).build(builder, { logits, targets, hyper: hyperTensor(builder), train: true });
  return builder.build();
}

function updateOf(optimizer: Optimizer): Program {
  const builder = new ProgramBuilder();
  const hyper = hyperTensor(builder);
  builder.declare('w', 'parameter', [3, 3, 64, 64]);
  const gradient = builder.declare('dw', 'gradient', [3, 3, 64, 64]);
  optimizer.build(builder, { parameter: builder.get('w'), gradient, hyper });
  return builder.build();
}

describe('launches for WebGPU', () => {
  const check = (what: string, program: Program) => {
    for (const variants of [true, false]) {
      for (const { node, launches } of lower(program, 'wgsl', { variants }).nodes) {
        for (const launch of launches) {
          const where = `${what}: ${node.node} ${launch.kernel.name}`;
          const arrays = new Set([...launch.inputs, launch.output]).size;
          assert.ok(arrays <= MOST_ARRAYS, `${where} takes ${arrays} arrays`);
          if ('body' in launch && 'groups' in launch.body) {
            assert.ok(Math.max(...launch.body.groups) <= MOST_GROUPS, `${where} takes ${launch.body.groups} workgroups`);
          }
        }
      }
    }
  };

  it('should take at most eight arrays and 65,535 workgroups along each axis, in every model, fused or not', () => {
    for (const [name, size, batch] of [
      ['alexnet', 224, 256],
      ['alexnet2012', 227, 16],
      ['resnet18', 224, 64],
      ['resnet50', 224, 256],
      ['resnet20', 32, 128],
    ] as const) {
      const { program, keep } = training(name, size, batch);
      check(name, program);
      check(`${name}, fused`, fuse(program, keep));
    }
    check('loss', lossOf(256));
    for (const optimizer of [sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-4, nesterov: true }), adam({ lr: 1e-3 })])
      check(optimizer.name, updateOf(optimizer));
  });
});
