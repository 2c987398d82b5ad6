import type { Batch } from '../../../core/data/sample.ts';
import type { Loss } from '../../../core/losses/index.ts';
import type { Optimizer } from '../../../core/optimizers/index.ts';
import type { CompiledModel, LossResult } from '../../../core/training/compiledModel.ts';

/** One training step without operators: what they do, in order. */
export async function trainStep(model: CompiledModel, batch: Batch, loss: Loss, optimizer: Optimizer, lr: number): Promise<LossResult> {
  await model.upload(batch, 'train');
  await model.forward('train');
  await model.loss(loss, 'train');
  await model.backward();
  const result = await model.readLoss();
  await model.update(optimizer, lr);
  return result;
}

/** The losses of several steps on one batch. */
export async function losses(
  model: CompiledModel,
  batch: Batch,
  steps: number,
  loss: Loss,
  optimizer: Optimizer,
  lr = 0.05,
): Promise<number[]> {
  const values: number[] = [];
  for (let step = 0; step < steps; step++) values.push((await trainStep(model, batch, loss, optimizer, lr)).loss);
  return values;
}
