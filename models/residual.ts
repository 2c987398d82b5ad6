/**
 * Residual blocks (He, Zhang, Ren, Sun 2015), shared by the networks for ImageNet and for small images. Names of nodes are
 * torchvision's module paths: conv1, bn1, …, downsample.0, downsample.1.
 */
import type { GraphBuilder, Value } from '../core/graph/builder.ts';

export interface BlockOptions {
  /**
   * Where the shape changes. 'B': a 1×1 convolution and batch norm (torchvision). 'A': every second pixel, and zeros as the
   * further channels: no parameters (the paper's choice for small images).
   */
  readonly shortcut: 'A' | 'B';
  /** Where a bottleneck halves its image: 'v1' in the first 1×1 convolution (the paper), 'v1.5' in the 3×3 (torchvision). */
  readonly strides: 'v1' | 'v1.5';
  /** Starts the last batch norm of every block at weight 0, so that the block starts as the identity (Goyal et al. 2017). */
  readonly zeroInitResidual: boolean;
}

/** Writes one block; the output has `width` × the block's expansion channels, and 1/stride of the image. */
export type Block = (g: GraphBuilder, name: string, x: Value, shape: { width: number; stride: number }, options: BlockOptions) => Value;

/** Two 3×3 convolutions. */
export const basicBlock: Block = (g, name, x, { width, stride }, options) => {
  let y = convolution(g, `${name}.conv1`, x, { filters: width, kernel: 3, stride });
  y = g.relu(`${name}.relu1`, g.batchNorm2d(`${name}.bn1`, y));
  y = convolution(g, `${name}.conv2`, y, { filters: width, kernel: 3 });
  y = lastNorm(g, `${name}.bn2`, y, options);
  return g.relu(`${name}.relu2`, g.add(`${name}.add`, [y, shortcut(g, name, x, { channels: width, stride }, options)]));
};

/** 1×1 to `width` channels, 3×3, and 1×1 to four times as many. */
export const bottleneck: Block = (g, name, x, { width, stride }, options) => {
  const [first, second] = options.strides === 'v1' ? [stride, 1] : [1, stride];
  let y = convolution(g, `${name}.conv1`, x, { filters: width, kernel: 1, stride: first });
  y = g.relu(`${name}.relu1`, g.batchNorm2d(`${name}.bn1`, y));
  y = convolution(g, `${name}.conv2`, y, { filters: width, kernel: 3, stride: second });
  y = g.relu(`${name}.relu2`, g.batchNorm2d(`${name}.bn2`, y));
  y = convolution(g, `${name}.conv3`, y, { filters: 4 * width, kernel: 1 });
  y = lastNorm(g, `${name}.bn3`, y, options);
  return g.relu(`${name}.relu3`, g.add(`${name}.add`, [y, shortcut(g, name, x, { channels: 4 * width, stride }, options)]));
};

/** Padded so that stride alone decides the size, without bias since batch norm follows, started as in He et al. 2015 (fan out). */
export function convolution(
  g: GraphBuilder,
  name: string,
  x: Value,
  { filters, kernel, stride = 1 }: { filters: number; kernel: number; stride?: number },
): Value {
  const std = Math.sqrt(2 / (filters * kernel * kernel));
  return g.conv2d(name, x, { filters, kernel, stride, padding: (kernel - 1) / 2, bias: false, init: { weight: { kind: 'normal', std } } });
}

function lastNorm(g: GraphBuilder, name: string, x: Value, { zeroInitResidual }: BlockOptions): Value {
  return g.batchNorm2d(name, x, zeroInitResidual ? { init: { weight: { kind: 'constant', value: 0 } } } : {});
}

function shortcut(
  g: GraphBuilder,
  name: string,
  x: Value,
  { channels, stride }: { channels: number; stride: number },
  options: BlockOptions,
): Value {
  if (stride === 1 && x.shape[2] === channels) return x;
  if (options.shortcut === 'A') return g.padChannels(`${name}.downsample`, x, { stride, channels });
  const y = convolution(g, `${name}.downsample.0`, x, { filters: channels, kernel: 1, stride });
  return g.batchNorm2d(`${name}.downsample.1`, y);
}
