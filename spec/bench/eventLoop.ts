/**
 * How long the main thread is held up while training steps run: `npx tsx spec/bench/eventLoop.ts [MODEL] [SIZE] [BATCH]`.
 * Percentiles of the event loop's delay over 5 steps, and its longest; the loop's own resolution of 1 ms is taken off.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openWasm } from '../../core/devices/wasm/device.ts';
import { crossEntropy } from '../../core/losses/index.ts';
import { sgd } from '../../core/optimizers/index.ts';
import { compile } from '../../core/training/compiledModel.ts';
import { model as build } from '../../models/index.ts';

const [name = 'resnet18', size = '224', batch = '8'] = process.argv.slice(2);
const device = await openWasm({ threads: 2 });
const model = compile(build(name, { size: Number(size) }), { device, batch: Number(batch) });
const loss = crossEntropy();
const optimizer = sgd({ lr: 1e-4, momentum: 0.9 });
const step = async () => {
  await model.forward('train');
  await model.loss(loss, 'train');
  await model.backward();
  await model.readLoss();
  await model.update(optimizer, 1e-4);
  await model.readLogits(1);
};
await step();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const began = performance.now();
for (let i = 0; i < 5; i++) await step();
const took = performance.now() - began;
delay.disable();
const ms = (ns: number) => ((ns - 1e6) / 1e6).toFixed(1);
console.log(
  `${name}: ${(took / 5).toFixed(0)} ms a step; delay p50 ${ms(delay.percentile(50))}, p99 ${ms(delay.percentile(99))}, longest ${ms(delay.max)} ms`,
);
await model.destroy();
await device.destroy();
