import type { Shape } from '../shape.ts';
import type { GoldenCase } from './cases.ts';

type Attributes = GoldenCase['attrs'];
/** How a reference op maps to a layer of ours: its name, attributes, and which of the case's inputs are activations. */
export interface Layer {
  readonly op: string;
  readonly activations: readonly string[];
  readonly mode?: 'evaluate';
  attributes(attrs: Attributes, shapes: Readonly<Record<string, Shape>>): Record<string, unknown>;
}
const pooling = ({ kernel, stride, padding, ceil_mode = false }: Attributes) => ({ kernel, stride, padding, ceilMode: ceil_mode });
const plain = () => ({});
/** Reference op → layer. The loss and the optimizers are no layers. */
export const layers: Readonly<Record<string, Layer>> = {
  conv2d: {
    op: 'conv2d',
    activations: ['x'],
    attributes: (attrs, { weight: [filters, , r, s] }) => ({ ...attrs, filters, kernel: [r, s] }),
  },
  linear: { op: 'linear', activations: ['x'], attributes: (_, { weight: [features] }) => ({ features }) },
  batch_norm_train: { op: 'batchNorm2d', activations: ['x'], attributes: ({ eps, momentum }) => ({ eps, momentum }) },
  batch_norm_eval: { op: 'batchNorm2d', activations: ['x'], mode: 'evaluate', attributes: ({ eps }) => ({ eps }) },
  relu: { op: 'relu', activations: ['x'], attributes: plain },
  max_pool2d: { op: 'maxPool2d', activations: ['x'], attributes: pooling },
  avg_pool2d: {
    op: 'avgPool2d',
    activations: ['x'],
    attributes: attrs => ({ ...pooling(attrs), countIncludePad: attrs.count_include_pad }),
  },
  adaptive_avg_pool2d: { op: 'adaptiveAvgPool2d', activations: ['x'], attributes: ({ output }) => ({ output }) },
  local_response_norm: {
    op: 'localResponseNorm',
    activations: ['x'],
    attributes: ({ size, alpha, beta, k }) => ({ size, alpha, beta, k }),
  },
  add: { op: 'add', activations: ['a', 'b'], attributes: plain },
  concat: { op: 'concat', activations: ['a', 'b'], attributes: plain },
};
