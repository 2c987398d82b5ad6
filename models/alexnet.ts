/**
 * AlexNet as torchvision has it: the single-tower network of "One weird trick for parallelizing convolutional neural networks"
 * (Krizhevsky 2014), without local response normalisation and groups, with dropout before the first two linear layers and an
 * adaptive pool that makes other image sizes possible. Not the network of the 2012 paper: that is alexnet2012.
 * 61,100,840 parameters, 714,188,480 multiply-accumulates for a 224 × 224 image and 1000 classes.
 */
import { graph } from '../core/graph/builder.ts';
import type { Graph } from '../core/graph/graph.ts';
import { imageShape, type ModelOptions } from './options.ts';

export function alexnet(options: ModelOptions = {}): Graph {
  const { classes = 1000, dropout = 0.5 } = options;
  const g = graph('alexnet', imageShape('alexnet', options, { size: 224, channels: 3, smallest: 63 }));
  const probability = dropout;
  //                                                                                                 224 × 224 ×   3
  let x = g.conv2d('features.0', g.input, { filters: 64, kernel: 11, stride: 4, padding: 2 }); //     55 ×  55 ×  64
  x = g.relu('features.1', x);
  x = g.maxPool2d('features.2', x, { kernel: 3, stride: 2 }); //                                      27 ×  27 ×  64
  x = g.conv2d('features.3', x, { filters: 192, kernel: 5, padding: 2 }); //                          27 ×  27 × 192
  x = g.relu('features.4', x);
  x = g.maxPool2d('features.5', x, { kernel: 3, stride: 2 }); //                                      13 ×  13 × 192
  x = g.conv2d('features.6', x, { filters: 384, kernel: 3, padding: 1 }); //                          13 ×  13 × 384
  x = g.relu('features.7', x);
  x = g.conv2d('features.8', x, { filters: 256, kernel: 3, padding: 1 }); //                          13 ×  13 × 256
  x = g.relu('features.9', x);
  x = g.conv2d('features.10', x, { filters: 256, kernel: 3, padding: 1 }); //                         13 ×  13 × 256
  x = g.relu('features.11', x);
  x = g.maxPool2d('features.12', x, { kernel: 3, stride: 2 }); //                                      6 ×   6 × 256
  x = g.adaptiveAvgPool2d('avgpool', x, { output: 6 }); //                                             6 ×   6 × 256 at any size
  x = g.flatten('flatten', x); //                                                                               9216
  x = g.dropout('classifier.0', x, { probability });
  x = g.linear('classifier.1', x, { features: 4096 }); //                                                       4096
  x = g.relu('classifier.2', x);
  x = g.dropout('classifier.3', x, { probability });
  x = g.linear('classifier.4', x, { features: 4096 }); //                                                       4096
  x = g.relu('classifier.5', x);
  x = g.linear('classifier.6', x, { features: classes }); //                                                 classes
  return g.output(x);
}
