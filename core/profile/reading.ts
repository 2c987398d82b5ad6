import { availableParallelism } from 'node:os';
import type { CpuReading } from './clock.ts';
import { type DeviceReading, deviceSnapshot } from './deviceMeter.ts';
import { durations, type HistogramReading } from './histogram.ts';
import type { DepthOverTime, PipelineSnapshot, StageSnapshot } from './snapshot.ts';
import { type WorkersReading, workersSnapshot } from './workerMeter.ts';

/** The numbers of a meter at one moment, all of them since it was made. */
export interface MeterReading
  extends Pick<
      StageSnapshot,
      'name' | 'itemsIn' | 'itemsOut' | 'dropped' | 'returned' | 'bytes' | 'runs' | 'parallel' | 'busyMs' | 'depth' | 'peakDepth' | 'bound'
    >,
    Pick<StageSnapshot, 'mainMs' | 'behindMs' | 'waitUpstreamMs' | 'waitDownstreamMs' | 'heldMs'> {
  readonly passive: boolean;
  /** Depth × time. */
  readonly areaMs: number;
  readonly latency: HistogramReading;
  readonly depthOverTime: (sinceMs: number) => DepthOverTime;
  readonly workers: WorkersReading | undefined;
  readonly ways: Readonly<Record<string, number>>;
}

export interface PipelineReading {
  readonly atMs: number;
  readonly elapsedMs: number;
  readonly cpu: CpuReading;
  readonly meters: readonly MeterReading[];
  readonly device: DeviceReading | undefined;
  /** What the device had done before this pipeline used it. */
  readonly deviceBefore: DeviceReading | undefined;
  readonly places: PipelineSnapshot['places'] | undefined;
  readonly slots: PipelineSnapshot['slots'];
}

/** What lies between two readings, or between the start and one. */
export function pipelineSnapshot(now: PipelineReading, since?: PipelineReading): PipelineSnapshot {
  const elapsedMs = Math.max(now.elapsedMs - (since?.elapsedMs ?? 0), 1e-9);
  const before = new Map(since?.meters.map(meter => [meter.name, meter]));
  const measured = now.meters.map(meter => stageSnapshot(meter, elapsedMs, since?.elapsedMs ?? 0, before.get(meter.name)));
  const device = now.device && deviceSnapshot(now.device, elapsedMs, since?.device ?? now.deviceBefore);
  const passive = new Set(now.meters.filter(meter => meter.passive).map(({ name }) => name));
  const stages = measured.map(stage => ({
    ...stage,
    ...waitsOf(stage, measured, passive.has(stage.name)),
    deviceMs: device?.parts.reduce((sum, { part, busyMs }) => sum + (stageOf[part] === stage.name ? busyMs : 0), 0) ?? 0,
  }));
  // also in a span of time in which it gave out nothing
  const last = now.meters.findLast(({ itemsOut }) => itemsOut > 0)?.name;
  const forward = stages.find(({ name }) => name === 'forward');
  const steps = device?.parts.find(({ part }) => stageOf[part] === 'forward')?.took.count ?? 0;
  const items = stages.find(({ name }) => name === last)?.itemsOut ?? 0;
  const cpu = (key: keyof CpuReading) => now.cpu[key] - (since?.cpu[key] ?? 0);
  const threadMs = cpu('activeMs') + cpu('idleMs');
  return {
    atMs: now.atMs,
    elapsedMs,
    items,
    itemsPerSecond: (items / elapsedMs) * 1000,
    steps,
    batch: steps > 0 ? (forward?.itemsOut ?? 0) / steps : 0,
    stages,
    device,
    places: now.places ?? { inside: 0, peak: 0, bound: 0, declared: {} },
    slots: now.slots,
    machine: {
      cores: availableParallelism(),
      busyCores: cpu('cpuMs') / elapsedMs,
      mainThreadShare: threadMs > 0 ? cpu('activeMs') / threadMs : 0,
    },
  };
}

/** Whose work the parts of a step are. */
const stageOf: Readonly<Record<string, string>> = {
  forward: 'forward',
  loss: 'backward',
  backward: 'backward',
  update: 'optimize',
  'evaluation forward': 'forward',
  'evaluation loss': 'evaluate',
};

/**
 * Stages that share the workers of another stand still with it. One that works only inside `next` stands still with the source, or
 * behind the workers with what comes after it.
 */
function waitsOf(stage: StageSnapshot, all: readonly StageSnapshot[], passive: boolean): Partial<StageSnapshot> {
  const { runs, workers, elapsedMs, mainMs } = stage;
  const pool = all.findIndex(each => each.workers);
  if (runs === 'workers' && !workers && pool >= 0) {
    const { waitUpstreamMs, waitDownstreamMs } = all[pool];
    return { waitUpstreamMs, waitDownstreamMs };
  }
  if (!passive) return {};
  const idleMs = Math.max(0, elapsedMs - mainMs);
  const at = all.indexOf(stage);
  if (pool < 0 || at < pool) {
    const waitDownstreamMs = Math.min(idleMs, all.find(({ name }) => name === 'source')?.waitDownstreamMs ?? 0);
    return { waitDownstreamMs, waitUpstreamMs: idleMs - waitDownstreamMs };
  }
  const waitUpstreamMs = Math.min(idleMs, all.find(({ name }) => name === 'forward')?.waitUpstreamMs ?? idleMs);
  return { waitUpstreamMs, waitDownstreamMs: idleMs - waitUpstreamMs };
}

export function stageSnapshot(now: MeterReading, elapsedMs: number, fromMs: number, since?: MeterReading): StageSnapshot {
  const { name, runs, parallel, depth, peakDepth, bound, heldMs } = now;
  const of = <K extends keyof MeterReading>(key: K & NumberKeys) => now[key] - (since?.[key] ?? 0);
  const [itemsIn, itemsOut, dropped, mainMs] = [of('itemsIn'), of('itemsOut'), of('dropped'), of('mainMs')];
  const busyMs = runs === 'main' ? mainMs : of('busyMs');
  const done = itemsOut + dropped;
  const workers = now.workers && workersSnapshot(now.workers, elapsedMs, since?.workers);
  return {
    ...{ name, runs, parallel, elapsedMs, itemsIn, itemsOut, dropped, returned: of('returned') },
    inPerSecond: (itemsIn / elapsedMs) * 1000,
    itemsPerSecond: (itemsOut / elapsedMs) * 1000,
    capacityPerSecond: busyMs > 0 ? (done / busyMs) * 1000 * parallel : Number.POSITIVE_INFINITY,
    busyMs,
    busyShare: Math.min(1, busyMs / (elapsedMs * parallel)),
    mainMs,
    behindMs: of('behindMs'),
    deviceMs: 0,
    waitUpstreamMs: of('waitUpstreamMs'),
    waitDownstreamMs: of('waitDownstreamMs'),
    ...{ depth, peakDepth, bound, heldMs },
    meanDepth: of('areaMs') / elapsedMs,
    depthOverTime: now.depthOverTime(fromMs),
    latency: durations(now.latency, since?.latency),
    bytes: of('bytes'),
    ...(workers && { workers }),
    ...(Object.keys(now.ways).length > 0 && { ways: waysSince(now.ways, since?.ways) }),
  };
}

function waysSince(now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const counts = Object.entries(now).map(([way, count]) => [way, count - (before[way] ?? 0)] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}
type NumberKeys = {
  [K in keyof MeterReading]: MeterReading[K] extends number ? K : never;
}[keyof MeterReading];
