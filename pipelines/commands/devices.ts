import { describeDevices } from '../../core/index.ts';
import { color } from '../terminal/color.ts';
import type { Output } from '../terminal/output.ts';

/** What this machine has, what `auto` would take, and why the others are not there. */
export async function devices(output: Output): Promise<number> {
  const reports = await describeDevices();
  const width = Math.max(...reports.map(({ kind }) => kind.length));
  for (const report of reports) {
    const { kind, available, description, reason, chosen } = report;
    const state = chosen ? color.green('auto') : available ? 'yes ' : color.dim('no  ');
    output.event('device', report);
    output.line(`${state}  ${kind.padEnd(width)}  ${available ? description : color.dim(reason ?? description)}`);
  }
  output.summary({ chosen: reports.find(({ chosen }) => chosen)?.kind ?? null, devices: reports });
  return 0;
}
