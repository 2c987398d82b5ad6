import type { Shape } from '../../shape.ts';

/** Where a convolution's windows lie; sizes come from the tensors. Attributes of every `conv2d` primitive. */
export type WindowPlace = {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
};
export type Four = readonly [number, number, number, number];
export const four = (shape: Shape): Four => shape as Four;

/** FLOPs of any direction of a convolution: two for each of the R·S·C/g products of every output element. */
export const flops = ([R, S, channels, O]: Shape, [N, P, Q]: Shape): number => 2 * N * P * Q * O * R * S * channels;
