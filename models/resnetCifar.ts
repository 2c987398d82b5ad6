/**
 * ResNet for small images (He, Zhang, Ren, Sun 2015, section 4.2): one 3×3 convolution, three stages of n = (depth - 2) / 6
 * basic blocks with 16, 32 and 64 channels, global average pooling. Shortcuts without parameters ('A') as in the paper; 'B' is
 * an option. The paper trains depths 20, 32, 44, 56 (and 110, 1202); depth 8 is ours, for a first run within minutes.
 *
 *             parameters   multiply-accumulates at 32 × 32 × 3 (resnet8: 28 × 28 × 1), 10 classes, shortcut A
 *  resnet8        75,002       9,145,216
 *  resnet20      269,722      40,551,040
 *  resnet32      464,154      68,862,592
 *  resnet44      658,586      97,174,144
 *  resnet56      853,018     125,485,696
 */
import { graph } from '../core/graph/builder.ts';
import type { Graph } from '../core/graph/graph.ts';
import { imageShape } from './options.ts';
import { basicBlock, convolution } from './residual.ts';
import type { ResNetOptions } from './resnet.ts';

/** Depth and the images that a model expects unless told. */
const variants = {
  resnet8: { depth: 8, size: 28, channels: 1 },
  resnet20: { depth: 20, size: 32, channels: 3 },
  resnet32: { depth: 32, size: 32, channels: 3 },
  resnet44: { depth: 44, size: 32, channels: 3 },
  resnet56: { depth: 56, size: 32, channels: 3 },
};
/** Basic blocks have one place only for their stride. */
export type SmallResNetOptions = Omit<ResNetOptions, 'strides'>;

export const resnet8 = (options: SmallResNetOptions = {}): Graph => smallResNet('resnet8', options);
export const resnet20 = (options: SmallResNetOptions = {}): Graph => smallResNet('resnet20', options);
export const resnet32 = (options: SmallResNetOptions = {}): Graph => smallResNet('resnet32', options);
export const resnet44 = (options: SmallResNetOptions = {}): Graph => smallResNet('resnet44', options);
export const resnet56 = (options: SmallResNetOptions = {}): Graph => smallResNet('resnet56', options);

function smallResNet(name: keyof typeof variants, options: SmallResNetOptions): Graph {
  const { classes = 10, shortcut = 'A', zeroInitResidual = false } = options;
  const { depth, size, channels } = variants[name];
  const blocks = (depth - 2) / 6;
  const g = graph(name, imageShape(name, options, { size, channels, smallest: 1 }));
  //                                                                       32 × 32 × 3
  let x = convolution(g, 'conv1', g.input, { filters: 16, kernel: 3 }); // 32 × 32 × 16
  x = g.relu('relu', g.batchNorm2d('bn1', x));
  //  stages: 32 × 32 × 16, 16 × 16 × 32, 8 × 8 × 64
  for (let stage = 0; stage < 3; stage++) {
    for (let i = 0; i < blocks; i++) {
      const shape = { width: 16 * 2 ** stage, stride: stage > 0 && i === 0 ? 2 : 1 };
      x = basicBlock(g, `layer${stage + 1}.${i}`, x, shape, { shortcut, strides: 'v1.5', zeroInitResidual });
    }
  }
  x = g.adaptiveAvgPool2d('avgpool', x, { output: 1 }); //                   1 × 1 × 64
  x = g.linear('fc', g.flatten('flatten', x), { features: classes }); //        classes
  return g.output(x);
}
