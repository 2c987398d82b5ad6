import type { Device } from '../devices/device.ts';
import { op } from '../ops/index.ts';
import { ProgramBuilder } from '../program/builder.ts';
import { hash } from '../random.ts';
import { elements } from '../shape.ts';
import { Workbench } from './workbench.ts';

/** A matrix product on a device, ready to be timed. */
export interface Product {
  /** The variant or kernel that computes it. */
  readonly kernel: string;
  /** Runs once; resolves with the milliseconds until the device was done. */
  run(): Promise<number>;
  close(): void;
}

/** [M,K]·[K,N] as the forward pass of `linear` without a bias. */
export async function openProduct(
  device: Device,
  { m, n, k }: { readonly m: number; readonly n: number; readonly k: number },
): Promise<Product> {
  const linear = op('linear');
  const attributes = linear.attributes.parse({ features: n, bias: false });
  const shapes = [[m, k]];
  const builder = new ProgramBuilder();
  builder.node = 'product';
  const input = builder.declare('x', 'input', shapes[0]);
  const parameters = Object.fromEntries(
    linear.parameters!(attributes, shapes).map(({ name, role, shape, layout }) => [name, builder.declare(name, role, shape, { layout })]),
  );
  const { output } = linear.forward(builder, { name: 'product', attributes, inputs: [input], parameters, mode: 'evaluate' });
  const bench = await Workbench.open(device, builder.build(), [output.name]);
  for (const { name, shape } of [input, ...Object.values(parameters)]) {
    bench.write(
      name,
      Float32Array.from({ length: elements(shape) }, (_, i) => hash(i) / 2 ** 31 - 1),
    );
  }
  const { lowered, buffers } = bench.plan;
  const kernel = lowered.nodes.map(({ node, variant }) => variant ?? node.primitive).join(', ');
  const result = buffers.get(output.name)!;
  return {
    kernel,
    async run() {
      const began = performance.now();
      await bench.run('forward');
      // reading waits for the device
      await device.read(result, 4);
      return performance.now() - began;
    },
    close: () => bench.close(),
  };
}
