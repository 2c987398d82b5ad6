import { compareInventory, type DeviceName, type Errors, openDevice, readGolden, runOpCase, runTrainingCase } from '../../core/index.ts';
import { model } from '../../models/index.ts';
import { color } from '../terminal/color.ts';
import { exactly, unfused } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';

/** Runs every reference case of a folder on a device. A case passes if none of its errors is above what is allowed. */
export async function golden(
  dir: string,
  { device: name, threads, exact = false, fuse = true }: { device: DeviceName; threads?: number; exact?: boolean; fuse?: boolean },
  output: Output,
): Promise<number> {
  const cases = await readGolden(dir);
  const device = await openDevice(name, { threads });
  const tally = new Tally(output);
  try {
    output.line(`device  ${device.description}${exactly(exact)}${unfused(fuse)}`);
    output.event('start', { device: device.description, device_kind: device.kind, exact, fuse, folder: dir });
    for (const each of cases.cases) await tally.run(each.case, () => runOpCase(cases, each, device, exact));
    for (const [model_, expected] of cases.models)
      await tally.run(`${model_}.state`, async () => compareInventory(model(model_), expected));
    for (const [model_, trace] of cases.training) {
      const [, channels, height, width] = trace.input;
      await tally.run(`${model_}.training`, () => {
        const graph = model(model_, { classes: trace.num_classes, size: [height, width], channels, dropout: 0 });
        const told = (step: number) => output.update(`${model_}.training  step ${step + 1} of ${trace.losses.length}`);
        return runTrainingCase(model_, graph, trace, device, told, { exact, fuse });
      });
    }
  } finally {
    output.clear();
    await device.destroy();
  }
  const { passed, failed, worst } = tally;
  output.line(`${passed} passed, ${failed} failed`);
  output.summary({ passed, failed, worst, device: device.description, device_kind: device.kind, exact, fuse });
  return failed > 0 ? 1 : 0;
}

class Tally {
  passed = 0;
  failed = 0;
  /** The largest error of all cases as a share of what is allowed. */
  worst = 0;
  constructor(private readonly output: Output) {}

  async run(name: string, run: () => Promise<Errors>): Promise<void> {
    let errors: Errors;
    let reason: string | undefined;
    try {
      errors = await run();
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      errors = { error: Number.POSITIVE_INFINITY };
    }
    const [[what, error] = ['nothing', 0]] = Object.entries(errors).sort(([, a], [, b]) => rank(b) - rank(a));
    // not `error > 1`: NaN must fail
    const pass = error <= 1;
    if (pass) this.passed++;
    else this.failed++;
    this.worst = Math.max(this.worst, rank(error));
    const detail = reason ?? (error === 0 ? 'equal' : `${error.toPrecision(2)} of the allowed error, in ${what}`);
    this.output.clear();
    this.output.line(`${pass ? color.green('pass') : color.red('FAIL')}  ${name}  ${color.dim(detail)}`);
    this.output.event('case', { case: name, pass, worst: error, in: what, errors, ...(reason !== undefined && { reason }) });
  }
}

const rank = (error: number): number => (Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
