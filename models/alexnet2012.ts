/**
 * AlexNet as in "ImageNet Classification with Deep Convolutional Neural Networks" (Krizhevsky, Sutskever, Hinton 2012): two
 * towers (groups: 2) in convolutions 2, 4 and 5, local response normalisation after the rectifiers of convolutions 1 and 2,
 * overlapping pooling after both and after convolution 5, dropout in the first two linear layers.
 * Weights start at N(0, 0.01²), biases at 1 in convolutions 2, 4, 5 and the hidden linear layers and at 0 elsewhere (section 5).
 * 60,965,224 parameters, 724,406,816 multiply-accumulates for 1000 classes.
 * The paper says 224 × 224 and 55 × 55 after the first convolution, which needs 2 pixels of padding (or an image of 227).
 * Nodes have the names that Caffe made common: conv1 … conv5, fc6 … fc8.
 */
import { type GraphBuilder, graph, type Value } from '../core/graph/builder.ts';
import type { Graph } from '../core/graph/graph.ts';
import { imageShape, type ModelOptions } from './options.ts';

/** k = 2, n = 5, alpha = 1e-4, beta = 0.75 in the paper (section 3.3), which does not divide alpha by n as the op does. */
const normalization = { size: 5, alpha: 5 * 1e-4, beta: 0.75, k: 2 };
const pool = { kernel: 3, stride: 2 };

export function alexnet2012(options: ModelOptions = {}): Graph {
  const { classes = 1000, dropout: probability = 0.5 } = options;
  const g = graph('alexnet2012', imageShape('alexnet2012', options, { size: 224, channels: 3, smallest: 63 }));
  //                                                                                                        224 × 224 ×   3
  let x = g.conv2d('conv1', g.input, { filters: 96, kernel: 11, stride: 4, padding: 2, init: start(0) }); //  55 ×  55 ×  96
  x = g.localResponseNorm('norm1', g.relu('relu1', x), normalization);
  x = g.maxPool2d('pool1', x, pool); //                                                                       27 ×  27 ×  96
  x = g.conv2d('conv2', x, { filters: 256, kernel: 5, padding: 2, groups: 2, init: start(1) }); //            27 ×  27 × 256
  x = g.localResponseNorm('norm2', g.relu('relu2', x), normalization);
  x = g.maxPool2d('pool2', x, pool); //                                                                       13 ×  13 × 256
  x = g.conv2d('conv3', x, { filters: 384, kernel: 3, padding: 1, init: start(0) }); //                       13 ×  13 × 384
  x = g.relu('relu3', x);
  x = g.conv2d('conv4', x, { filters: 384, kernel: 3, padding: 1, groups: 2, init: start(1) }); //            13 ×  13 × 384
  x = g.relu('relu4', x);
  x = g.conv2d('conv5', x, { filters: 256, kernel: 3, padding: 1, groups: 2, init: start(1) }); //            13 ×  13 × 256
  x = g.maxPool2d('pool5', g.relu('relu5', x), pool); //                                                       6 ×   6 × 256
  x = g.flatten('flatten', x); //                                                                                       9216
  x = hidden(g, '6', x, probability); //                                                                                4096
  x = hidden(g, '7', x, probability); //                                                                                4096
  x = g.linear('fc8', x, { features: classes, init: start(0) }); //                                                  classes
  return g.output(x);
}

function hidden(g: GraphBuilder, index: string, x: Value, probability: number): Value {
  const y = g.relu(`relu${index}`, g.linear(`fc${index}`, x, { features: 4096, init: start(1) }));
  return g.dropout(`drop${index}`, y, { probability });
}

function start(bias: number) {
  return { weight: { kind: 'normal', std: 0.01 }, bias: { kind: 'constant', value: bias } } as const;
}
