/**
 * ResNet for ImageNet ("Deep Residual Learning for Image Recognition", He, Zhang, Ren, Sun 2015), as torchvision has it: "v1.5"
 * (a bottleneck halves the image in its 3×3 convolution) with projection shortcuts ('B'). The paper's own are options:
 * strides: 'v1', shortcut: 'A'. Convolutions start at N(0, 2 / (filters · kernel²)), batch norm at 1 and 0.
 *
 *              parameters   multiply-accumulates at 224 × 224, 1000 classes
 *  resnet18    11,689,512    1,814,073,344
 *  resnet34    21,797,672    3,663,761,408
 *  resnet50    25,557,032    4,089,184,256
 *  resnet101   44,549,160    7,801,405,440
 *  resnet152   60,192,808   11,513,626,624
 */
import { graph } from '../core/graph/builder.ts';
import type { Graph } from '../core/graph/graph.ts';
import { imageShape, type ModelOptions } from './options.ts';
import { type Block, type BlockOptions, basicBlock, bottleneck, convolution } from './residual.ts';

export interface ResNetOptions extends ModelOptions, Partial<BlockOptions> {}

interface Variant {
  readonly block: Block;
  /** Blocks of each stage. */
  readonly layers: readonly number[];
}

const variants = {
  resnet18: { block: basicBlock, layers: [2, 2, 2, 2] },
  resnet34: { block: basicBlock, layers: [3, 4, 6, 3] },
  resnet50: { block: bottleneck, layers: [3, 4, 6, 3] },
  resnet101: { block: bottleneck, layers: [3, 4, 23, 3] },
  resnet152: { block: bottleneck, layers: [3, 8, 36, 3] },
} satisfies Record<string, Variant>;

export const resnet18 = (options: ResNetOptions = {}): Graph => resnet('resnet18', options);
export const resnet34 = (options: ResNetOptions = {}): Graph => resnet('resnet34', options);
export const resnet50 = (options: ResNetOptions = {}): Graph => resnet('resnet50', options);
export const resnet101 = (options: ResNetOptions = {}): Graph => resnet('resnet101', options);
export const resnet152 = (options: ResNetOptions = {}): Graph => resnet('resnet152', options);

function resnet(name: keyof typeof variants, options: ResNetOptions): Graph {
  const { classes = 1000, shortcut = 'B', strides = 'v1.5', zeroInitResidual = false } = options;
  const { block, layers }: Variant = variants[name];
  const g = graph(name, imageShape(name, options, { size: 224, channels: 3, smallest: 1 }));
  //                                                                                  224 × 224 × 3
  let x = convolution(g, 'conv1', g.input, { filters: 64, kernel: 7, stride: 2 }); // 112 × 112 × 64
  x = g.relu('relu', g.batchNorm2d('bn1', x));
  x = g.maxPool2d('maxpool', x, { kernel: 3, stride: 2, padding: 1 }); //               56 × 56 × 64
  //  stages (expansion e: 1 for basic blocks, 4 for bottlenecks): 56 × 56 × 64e, 28 × 28 × 128e, 14 × 14 × 256e, 7 × 7 × 512e
  layers.forEach((blocks, stage) => {
    for (let i = 0; i < blocks; i++) {
      const shape = { width: 64 * 2 ** stage, stride: stage > 0 && i === 0 ? 2 : 1 };
      x = block(g, `layer${stage + 1}.${i}`, x, shape, { shortcut, strides, zeroInitResidual });
    }
  });
  x = g.adaptiveAvgPool2d('avgpool', x, { output: 1 }); //                              1 × 1 × 512e
  x = g.linear('fc', g.flatten('flatten', x), { features: classes }); //                     classes
  return g.output(x);
}
