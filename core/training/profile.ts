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
 * Of a step's kernels, the share of their time that does not grow with the batch, 0..1: what filters and weights cost, and each launch. A step of
 * a quarter of the batch is measured beside one of all of it, in turns; undefined for a batch of 1.
 */
export async function measureFixedShare(model: CompiledModel, rounds: number): Promise<number | undefined> {
  const less = Math.max(1, Math.round(model.batch / 4));
  if (less === model.batch) return undefined;
  const other = model.withBatch(less);
  try {
    const both = [await model.stepSegments(), await other.stepSegments()];
    const times: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      for (const [i, segments] of both.entries()) times[i].push(sumMs(await profileSegments(model.device, segments, 1)));
    }
    const [all, part] = times.map(median);
    const perSample = (all - part) / (model.batch - less);
    return Math.min(1, Math.max(0, 1 - (perSample * model.batch) / all));
  } finally {
    await other.destroy();
  }
}
const sumMs = (nodes: readonly NodeTime[]): number => nodes.reduce((sum, { ms }) => sum + ms, 0);

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
