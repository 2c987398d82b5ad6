/**
 * Sums over all pixels, per channel, in two stages: threads [C, chunks] each add one chunk of pixels, then one thread a
 * channel adds the chunks. There are about as many chunks as a chunk has pixels, so that neither stage adds much one after
 * the other, and short sums lose less in f32 than one long one. The order depends on the shape alone, never on the device.
 */
import type { Kernel, KernelFunction } from '../kernels/kernel.ts';
import { elements, type Shape } from '../shape.ts';

export const channelsOf = (shape: Shape): number => shape[shape.length - 1];
/** Values per channel: N·H·W. */
export const pixelsOf = (shape: Shape): number => elements(shape) / channelsOf(shape);

/** Threads over every element of [N,H,W,C] or [N,C]: x is the channel, y the pixel of an image, z the image. */
export function pixelThreads(shape: Shape): { threads: [number, number, number]; area: number } {
  const area = elements(shape.slice(1, -1));
  return { threads: [channelsOf(shape), area, shape[0]], area };
}

export function chunksOf(pixels: number): { chunks: number; length: number } {
  const length = Math.max(16, Math.ceil(Math.sqrt(pixels)));
  return { chunks: Math.ceil(pixels / length), length };
}

/** The first stage: `run` adds the pixels `thread.y * length + i`, i < length, that are below `pixels`. */
export function chunkKernel(name: string, run: KernelFunction, shape: Shape): Kernel {
  const [channels, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const { chunks, length } = chunksOf(pixels);
  return { name, run, threads: [channels, chunks], integers: { channels, pixels, length } };
}

/** The second stage: `run` adds the `chunks` partial sums of channel `thread.x`; `pixels` is a float here. */
export function combineKernel(
  name: string,
  run: KernelFunction,
  shape: Shape,
  rows = 1,
  floats: Readonly<Record<string, number>> = {},
): Kernel {
  const [channels, pixels] = [channelsOf(shape), pixelsOf(shape)];
  const { chunks } = chunksOf(pixels);
  return { name, run, threads: [channels, rows], integers: { channels, chunks }, floats: { pixels, ...floats } };
}
