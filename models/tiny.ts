/** The smallest network with every kind of layer that matters: for specs and first steps, not for accuracy. */
import { graph } from '../core/graph/builder.ts';
import type { Graph } from '../core/graph/graph.ts';
import { imageShape, type ModelOptions } from './options.ts';

export function tiny(options: ModelOptions = {}): Graph {
  const { classes = 10 } = options;
  const g = graph('tiny', imageShape('tiny', options, { size: 8, channels: 3, smallest: 2 }));
  //                                                                                       8 × 8 × 3
  let x = g.conv2d('conv', g.input, { filters: 8, kernel: 3, padding: 1, bias: false }); // 8 × 8 × 8
  x = g.relu('relu', g.batchNorm2d('bn', x));
  x = g.maxPool2d('pool', x, { kernel: 2 }); //                                             4 × 4 × 8
  x = g.flatten('flatten', g.adaptiveAvgPool2d('avgpool', x, { output: 2 })); //                   32
  x = g.linear('fc', x, { features: classes }); //                                            classes
  return g.output(x);
}
