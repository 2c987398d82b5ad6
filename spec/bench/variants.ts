/**
 * The WebAssembly variants against their ops' gpu.js kernels, alternating in one run: `npx tsx spec/bench/variants.ts [THREADS]`.
 * Best of 12 rounds each; GFLOP/s of the whole primitive with its padding and rearranging.
 */
import { openWasm } from '../../core/devices/wasm/device.ts';
import { planFor } from '../../core/plan/plan.ts';
import { ProgramBuilder } from '../../core/program/builder.ts';
import { elements, type Shape } from '../../core/shape.ts';

const dense = { stride: 1, padding: 1, dilation: 1, groups: 1 };
const cases: [string, object, Shape[], Shape][] = [
  [
    'linear',
    {},
    [
      [64, 1024],
      [1024, 1024],
    ],
    [64, 1024],
  ],
  ...(
    [
      [32, 28, 16],
      [32, 14, 32],
      [8, 56, 64],
      [8, 14, 256],
    ] as const
  ).flatMap(([N, H, C]): [string, object, Shape[], Shape][] => {
    const [x, filters]: Shape[] = [
      [N, H, H, C],
      [3, 3, C, C],
    ];
    return [
      ['conv2d', dense, [x!, filters!], x!],
      ['conv2d.inputGradient', dense, [x!, filters!], x!],
      ['conv2d.filterGradient', dense, [x!, x!], filters!],
    ];
  }),
];

const device = await openWasm({ threads: Number(process.argv[2] ?? 2) });
console.log(device.description);
for (const [primitive, attributes, shapes, output] of cases) {
  const runs = [];
  for (const variants of [false, true]) {
    const builder = new ProgramBuilder();
    const inputs = shapes.map((shape, i) => builder.declare(`input${i}`, 'input', shape));
    builder.emit(primitive, 'y', output, inputs, { ...attributes }, 'result');
    const plan = await planFor(builder.build(), { device, placed: new Map(), variants });
    shapes.forEach((shape, i) => {
      device.write(
        plan.buffers.get(`input${i}`)!,
        Float32Array.from({ length: elements(shape) }, (_, j) => Math.sin(j)),
      );
    });
    runs.push({ plan, flops: plan.lowered.nodes[0]!.cost.flops, best: Number.POSITIVE_INFINITY });
  }
  for (let round = 0; round < 12; round++) {
    for (const run of runs) {
      const start = performance.now();
      await device.run(run.plan.segment('forward'));
      run.best = Math.min(run.best, performance.now() - start);
    }
  }
  const [kernels, variant] = runs.map(({ flops, best }) => flops / best / 1e6) as [number, number];
  const name = `${primitive} ${shapes.map(shape => `[${shape}]`).join(' ')}`.padEnd(56);
  console.log(`${name} kernels ${kernels.toFixed(1)}, variant ${variant.toFixed(1)} GFLOP/s, ratio ${(variant / kernels).toFixed(2)}`);
  for (const { plan } of runs) for (const buffer of new Set(plan.buffers.values())) device.free(buffer);
}
await device.destroy();
