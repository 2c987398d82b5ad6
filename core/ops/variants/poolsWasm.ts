/** Pooling by the routines of `core/assembly/maxPool.ts` and `avgPool.ts`, forward and backward: any window, any number of channels. */
import type { Variant } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { wasmLaunch } from './wasmLaunch.ts';

interface Pooling<A> {
  readonly name: string;
  readonly routine: string;
  /** Whether it goes from the pooled image to the whole one. */
  readonly gradient?: boolean;
  /** Channels that a unit of work has, where it is not whole rows of pixels. */
  readonly block?: number;
  readonly numbers: (attributes: A, image: Shape, pooled: Shape) => readonly number[];
}

/** `routine(start, end, scratch, ...addresses of inputs, address of output, H, W, C, P, Q, ...numbers)`: units are rows of the output. */
function pooling<A>({ name, routine, gradient = false, block, numbers }: Pooling<A>): Variant<A> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: () => true,
    lower({ attributes, inputs, output }) {
      const [image, pooled] = gradient ? [output.shape, inputs[0].shape] : [inputs[0].shape, output.shape];
      const [N, rows] = output.shape;
      const [, H, W, C] = image;
      const [, P, Q] = pooled;
      const rest = [H, W, C, P, Q, ...numbers(attributes, image, pooled)];
      return [
        wasmLaunch(name, {
          routine,
          units: N * rows * (block ? Math.ceil(C / block) : 1),
          scratch: block && 4 * block,
          inputs,
          output,
          arguments: (inputs, output) => [...inputs, output, ...rest],
        }),
      ];
    },
  };
}

interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}
const sliding = ({ kernel, stride, padding }: Window) => [kernel, stride, padding];

export const maxPoolWasm = pooling({ name: 'maxPool2d', routine: 'maxPool', numbers: sliding });
export const maxPoolIndicesWasm = pooling({ name: 'maxPool2d.indices', routine: 'maxPoolIndices', numbers: sliding });
export const maxPoolGradientWasm = pooling({
  name: 'maxPool2d.inputGradient',
  routine: 'maxPoolGradient',
  gradient: true,
  numbers: sliding,
});

/** padding; step, parts and reach of rows and of columns; which cells count: see `core/assembly/avgPool.ts`. */
function slidingMean({ kernel, stride, padding, countIncludePad }: Window & { readonly countIncludePad: boolean }, [, H, W]: Shape) {
  const counted = countIncludePad ? [0, H + 2 * padding, W + 2 * padding] : [padding, H + padding, W + padding];
  return [padding, stride, 1, kernel, stride, 1, kernel, ...counted];
}
function adaptiveMean(_: unknown, [, H, W]: Shape, [, P, Q]: Shape) {
  return [0, H, P, H + P - 1, W, Q, W + Q - 1, 0, H, W];
}
const mean = { routine: 'avgPool', block: 256 };
const meanGradient = { routine: 'avgPoolGradient', gradient: true };

export const avgPoolWasm = pooling({ name: 'avgPool2d', ...mean, numbers: slidingMean });
export const avgPoolGradientWasm = pooling({ name: 'avgPool2d.inputGradient', ...meanGradient, numbers: slidingMean });
export const adaptiveAvgPoolWasm = pooling({ name: 'adaptiveAvgPool2d', ...mean, numbers: adaptiveMean });
export const adaptiveAvgPoolGradientWasm = pooling({
  name: 'adaptiveAvgPool2d.inputGradient',
  ...meanGradient,
  numbers: adaptiveMean,
});
