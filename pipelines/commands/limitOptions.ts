import { type Device, type Limits, measureLimits } from '../../core/index.ts';
import type { Output } from '../terminal/output.ts';
import { limitsLine } from './kernelTable.ts';

/** What the user knows better than a measurement. */
export interface LimitOptions {
  readonly peakGflops?: number;
  readonly peakBandwidth?: number;
}

/** The device's limits, as stated or else measured now, and told. Undefined for `cpu` unless both are stated. */
export async function limitsOf(device: Device, { peakGflops, peakBandwidth }: LimitOptions, output: Output): Promise<Limits | undefined> {
  const stated = peakGflops !== undefined && peakBandwidth !== undefined;
  const found = stated ? undefined : await measureLimits(device);
  const flopsPerSecond = peakGflops === undefined ? found?.flopsPerSecond : peakGflops * 1e9;
  const bytesPerSecond = peakBandwidth === undefined ? found?.bytesPerSecond : peakBandwidth * 1e9;
  if (flopsPerSecond === undefined || bytesPerSecond === undefined) return undefined;
  const how = stated ? 'as stated' : `measured: ${found!.how}`;
  const limits = { flopsPerSecond, bytesPerSecond, how };
  output.line(`limits  ${limitsLine(limits)}`);
  output.line('        "of limit" is the least time that they allow, of the time taken; it is above 100 % where Winograd\'s or');
  output.line("        Strassen's method needs fewer products than are counted, or a cache holds what is counted as moved");
  return limits;
}
