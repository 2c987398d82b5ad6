import { compile, type DeviceName, type Graph, openDevice, planRows, sgd } from '../../core/index.ts';
import { bytes, inPrecision } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';

export interface PlanOptions {
  readonly batch: number;
  readonly device: DeviceName;
  readonly threads?: number;
  readonly exact?: boolean;
  readonly fuse?: boolean;
  readonly precision?: 'f32' | 'mixed';
}

/** What a step runs on a device, a row a node: which variant was chosen, what was fused into it, where its output lies. */
export async function showPlan(
  graph: Graph,
  mode: 'train' | 'evaluate',
  { batch, device: name, threads, exact, fuse, precision }: PlanOptions,
  output: Output,
): Promise<number> {
  const device = await openDevice(name, { threads });
  try {
    const model = compile(graph, { device, batch, exact, fuse, precision });
    // any optimizer would do; this is the recipe's
    const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
    output.line(`device  ${device.description}${inPrecision(precision)}`);
    output.line(
      `model   ${graph.name}, images of ${graph.input.join('×')}, batch ${batch}, ${mode}${exact ? ', exact' : ''}${fuse === false ? ', not fused' : ''}`,
    );
    output.line('kernel  op/variant is hand-written for this device, op alone its gpu.js kernels (× how many), + what is fused into it\n');
    output.line(await model.table(mode, optimizer));
    const plans = await model.plans(mode, optimizer);
    if (plans.length > 1) {
      // weights and gradients are in the peaks of both
      const { peak, scratch } = await model.memory();
      output.line(`\ntogether ${bytes(peak)}, and ${bytes(scratch)} for kernels`);
    }
    for (const row of plans.flatMap(planRows)) output.event('node', row);
    output.summary({ model: graph.name, batch, mode, device: device.description, peak_bytes: model.peakBytes });
    await model.destroy();
    return 0;
  } finally {
    await device.destroy();
  }
}
