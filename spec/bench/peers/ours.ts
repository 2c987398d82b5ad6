/** Millrace's own side: the steps of `bench step`. */
import { compile, crossEntropy, type DeviceName, openDevice, sgd } from '../../../core/index.ts';
import { syntheticBatch } from '../../../pipelines/commands/syntheticBatch.ts';
import { serve } from './serve.ts';

await serve(async job => {
  const device = await openDevice(job.device as DeviceName, { threads: job.threads });
  const model = compile(job.graph, { device, batch: job.batch });
  const loss = crossEntropy();
  const optimizer = sgd(job);
  const batch = syntheticBatch(model);
  await model.lock.acquire();
  return {
    about: `millrace, ${device.description}`,
    async run(steps) {
      let last = Number.NaN;
      for (let step = 0; step < steps; step++) {
        await model.upload(batch, 'train');
        await model.forward('train');
        await model.loss(loss, 'train');
        await model.backward();
        last = (await model.readLoss()).loss;
        await model.update(optimizer, job.lr);
      }
      // waits for all that runs
      await model.readLogits(1);
      return last;
    },
  };
});
