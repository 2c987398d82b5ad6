import type { Device } from '../devices/device.ts';
import type { Plan } from '../plan/plan.ts';
import type { Trace } from '../profile/trace.ts';
import type { Segment } from '../program/program.ts';
import { elements, type Shape } from '../shape.ts';
import type { CompiledModel } from './compiledModel.ts';

/** One segment of a plan, as a part of the training step. */
export interface StepSegment {
  readonly part: 'forward' | 'loss' | 'backward' | 'update';
  readonly plan: Plan;
  readonly segment: Segment;
}

/** One launch of a node. */
export interface LaunchTime {
  readonly kernel: string;
  /** Median over the rounds. */
  readonly ms: number;
  /** If every operand crossed memory exactly once. */
  readonly bytes: number;
}
/** A program node with what its launches took. */
export interface NodeTime {
  readonly part: string;
  readonly node: string;
  readonly primitive: string;
  /** The variant that computed it; undefined for the op's own gpu.js kernels. */
  readonly variant: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  readonly flops: number;
  readonly bytes: number;
  /** Sum of its launches. */
  readonly ms: number;
  readonly launches: readonly LaunchTime[];
}

/** Whether launches can be timed one by one there. */
export const profiles = (device: Device): boolean => device.profile !== undefined;

/** Runs the segments in their order, `rounds` times after one that does not count, and takes each launch's median time. */
export async function profileSegments(device: Device, segments: readonly StepSegment[], rounds: number): Promise<NodeTime[]> {
  const present = segments.filter(({ plan, segment }) => plan.program.nodes.some(node => node.segment === segment));
  const times: number[][][] = present.map(() => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { plan, segment }] of present.entries()) {
      const measured = await device.profile!(plan.segment(segment));
      if (round >= 0) times[i].push([...measured]);
    }
  }
  return present.flatMap((each, i) => nodesOf(each, mediansOf(times[i])));
}

/**
 * Of a step's time on the device, the share that does not grow with the batch, 0..1: what filters and weights cost, and every launch. Steps
 * of a quarter of the batch (of a small one, of four times it) are measured beside steps of it, in turns.
 */
export async function measureFixedShare(model: CompiledModel, rounds: number): Promise<number> {
  const { batch } = model;
  const size = batch < 4 ? 4 * batch : Math.round(batch / 4);
  const other = model.withBatch(size);
  try {
    const both = [await model.stepSegments(), await other.stepSegments()];
    const times: [number[], number[]] = [[], []];
    for (let round = -1; round < rounds; round++) {
      for (const [i, segments] of both.entries()) {
        const ms = await stepMs(model.device, segments);
        if (round >= 0) times[i].push(ms);
      }
    }
    const [own, others] = times.map(median);
    const perSample = (others - own) / (size - batch);
    return Math.min(1, Math.max(0, 1 - (perSample * batch) / own));
  } finally {
    await other.destroy();
  }
}

async function stepMs(device: Device, segments: readonly StepSegment[]): Promise<number> {
  let sum = 0;
  for (const { plan, segment } of segments) {
    if (!plan.program.nodes.some(node => node.segment === segment)) continue;
    await new Promise<void>((resolve, reject) => {
      const ended = (beganMs: number, endedMs: number) => {
        sum += endedMs - beganMs;
        resolve();
      };
      device.run(plan.segment(segment), ended).catch(reject);
    });
  }
  return sum;
}

/**
 * Runs the segments once and adds what each compute thread did, kernel by kernel; where a device cannot tell, the launches one after
 * the other as it timed them.
 */
export async function traceSegments(device: Device, segments: readonly StepSegment[], trace: Trace): Promise<void> {
  for (const { plan, segment } of segments) {
    const labels = plan.lowered.nodes
      .filter(node => node.segment === segment)
      .flatMap(({ node, launches }) => launches.map(({ kernel }) => `${node.node} ${kernel.name}`));
    if (labels.length === 0) continue;
    const compiled = plan.segment(segment);
    const began = performance.now();
    if (device.timeline) {
      for (const [i, { threads }] of (await device.timeline(compiled)).entries()) {
        for (const { thread, beganMs, endedMs } of threads) {
          trace.add({ track: `compute ${thread}`, kind: 'thread', name: labels[i], beganMs, endedMs });
        }
      }
    } else if (device.profile) {
      let from = began;
      for (const [i, ms] of (await device.profile(compiled)).entries()) {
        trace.add({ track: 'kernels', kind: 'thread', name: labels[i], beganMs: from, endedMs: from + ms });
        from += ms;
      }
    }
  }
}

function nodesOf({ part, plan, segment }: StepSegment, times: readonly number[]): NodeTime[] {
  const { nodes, tensors } = plan.lowered;
  let next = 0;
  return nodes
    .filter(node => node.segment === segment)
    .map(({ node, variant, cost, launches }) => {
      const timed = launches.map(({ kernel, inputs, output }): LaunchTime => {
        const operands = new Set([...inputs, output]);
        const bytes = [...operands].reduce((sum, name) => {
          const { shape, dtype } = tensors.get(name)!;
          return sum + elements(shape) * (dtype === 'u8' ? 1 : 4);
        }, 0);
        return { kernel: kernel.name, ms: times[next++], bytes };
      });
      return {
        part,
        node: node.node,
        primitive: node.primitive,
        variant,
        attributes: node.attributes,
        inputs: node.inputs.map(name => tensors.get(name)!.shape),
        output: tensors.get(node.output)!.shape,
        ...cost,
        ms: timed.reduce((sum, { ms }) => sum + ms, 0),
        launches: timed,
      };
    });
}

/** Of each launch, over the rounds. */
function mediansOf(rounds: readonly (readonly number[])[]): number[] {
  return rounds[0].map((_, launch) => median(rounds.map(times => times[launch])));
}
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
