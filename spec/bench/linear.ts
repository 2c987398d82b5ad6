/** The linear layer's WebAssembly variant against its gpu.js kernels, alternating in one run: `npx tsx spec/bench/linear.ts [N I O]`. */
import { openWasm } from '../../core/devices/wasm/device.ts';
import { planFor } from '../../core/plan/plan.ts';
import { ProgramBuilder } from '../../core/program/builder.ts';

const [N = 64, I = 1024, O = 1024] = process.argv.slice(2).map(Number);
for (const threads of [1, 2]) {
  const device = await openWasm({ threads });
  const runs = await Promise.all(
    [false, true].map(async variants => {
      const builder = new ProgramBuilder();
      const x = builder.declare('x', 'input', [N, I]);
      const weight = builder.declare('weight', 'parameter', [I, O]);
      const bias = builder.declare('bias', 'parameter', [O]);
      builder.emit('linear', 'y', [N, O], [x, weight, bias], {}, 'result');
      const plan = await planFor(builder.build(), { device, placed: new Map(), variants });
      for (const name of ['x', 'weight'])
        device.write(
          plan.buffers.get(name)!,
          Float32Array.from({ length: name === 'x' ? N * I : I * O }, (_, i) => Math.sin(i)),
        );
      return { variants, segment: plan.segment('forward'), best: Number.POSITIVE_INFINITY };
    }),
  );
  for (let round = 0; round < 12; round++) {
    for (const run of runs) {
      const start = performance.now();
      await device.run(run.segment);
      run.best = Math.min(run.best, performance.now() - start);
    }
  }
  const rate = (ms: number) => `${((2 * N * I * O) / ms / 1e6).toFixed(1)} GFLOP/s`;
  const [plain, tuned] = runs as [(typeof runs)[0], (typeof runs)[0]];
  console.log(
    `[${N},${I}] x [${I},${O}], ${threads} threads: kernels ${rate(plain.best)}, variant ${rate(tuned.best)}, ratio ${(plain.best / tuned.best).toFixed(2)}`,
  );
  await device.destroy();
}
