import { openCpu } from '../../../core/devices/cpu.ts';
import type { PlacedLaunch } from '../../../core/devices/device.ts';
import { primitive } from '../../../core/ops/index.ts';
import type { Tensor } from '../../../core/ops/op.ts';
import type { Program } from '../../../core/program/program.ts';
import { elements, type Shape } from '../../../core/shape.ts';

export type Values = Readonly<Record<string, Float32Array | Uint8Array>>;

/** Runs a program on the cpu device with a buffer of its own for every tensor, from the given values to the wanted ones. */
export async function programRunner(program: Program): Promise<{
  run(values: Values, wanted: readonly string[]): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}> {
  const device = await openCpu();
  const place = (tensor: Tensor) => {
    const bytes = elements(tensor.shape) * (tensor.dtype === 'u8' ? 1 : 4);
    return { tensor, bytes, buffer: device.allocate(bytes, tensor.name) };
  };
  const places = new Map(Object.values(program.tensors).map(tensor => [tensor.name, place(tensor)]));
  const launches = program.nodes.flatMap((node, position): PlacedLaunch[] => {
    let count = 0;
    const scratch = (shape: Shape): Tensor => {
      const tensor: Tensor = { name: `scratch ${position}.${count++}`, shape, dtype: 'f32' };
      places.set(tensor.name, place(tensor));
      return tensor;
    };
    const tensor = (name: string) => program.tensors[name];
    const context = { attributes: node.attributes, inputs: node.inputs.map(tensor), output: tensor(node.output), scratch };
    const argument = (name: string) => {
      const { buffer, tensor: each } = places.get(name)!;
      return { buffer, length: elements(each.shape), dtype: each.dtype };
    };
    return primitive(node.primitive)
      .lower(context)
      .map(launch => ({ label: node.node, launch, inputs: launch.inputs.map(argument), output: argument(launch.output) }));
  });
  const segment = await device.compile(launches);
  return {
    async run(values, wanted) {
      for (const [name, data] of Object.entries(values)) device.write(places.get(name)!.buffer, data);
      await device.run(segment);
      const read = async (name: string) => [name, await device.read(places.get(name)!.buffer, places.get(name)!.bytes)] as const;
      return Object.fromEntries(await Promise.all(wanted.map(read)));
    },
    close: () => device.destroy(),
  };
}
