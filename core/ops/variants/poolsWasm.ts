/** Pooling by the routines of `core/assembly/maxPool.ts` and `avgPool.ts`, forward and backward: any window, any number of channels. */
import type { Variant } from '../../kernels/variant.ts';
import { elements, type Shape } from '../../shape.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Elements of the image that a thread takes at a time, at least: taking some costs as much as reading so many. */
const GRAIN = 8192;

interface Pooling<A> {
  readonly name: string;
  readonly routine: string;
  /** Whether it goes from the pooled image to the whole one. */
  readonly gradient?: boolean;
  /** Pieces of a row of the output, each a unit of work; 1 unless given. */
  readonly pieces?: (image: Shape, pooled: Shape) => number;
  /** Bytes. */
  readonly scratch?: (image: Shape, pooled: Shape) => number;
  readonly numbers: (attributes: A, image: Shape, pooled: Shape) => readonly number[];
}

/** `routine(start, end, scratch, ...addresses of inputs, address of output, H, W, C, P, Q, ...numbers)`: units are rows of the output. */
function pooling<A>({ name, routine, gradient = false, pieces = () => 1, scratch, numbers }: Pooling<A>): Variant<A> {
  return {
    name: `${name}/wasm`,
    device: 'wasm',
    applies: () => true,
    lower({ attributes, inputs, output }) {
      const [image, pooled] = gradient ? [output.shape, inputs[0].shape] : [inputs[0].shape, output.shape];
      const [N, rows] = output.shape;
      const [, H, W, C] = image;
      const [, P, Q] = pooled;
      const units = N * rows * pieces(image, pooled);
      const rest = [H, W, C, P, Q, ...numbers(attributes, image, pooled)];
      return [
        wasmLaunch(name, {
          routine,
          units,
          grain: Math.ceil((GRAIN * units) / elements(image)),
          scratch: scratch?.(image, pooled),
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

export const maxPoolWasm = pooling({
  name: 'maxPool2d',
  routine: 'maxPool',
  scratch: ([, , , C]) => 16 + 16 * Math.ceil(C / 4),
  numbers: sliding,
});
export const maxPoolIndicesWasm = pooling({
  name: 'maxPool2d.indices',
  routine: 'maxPoolIndices',
  scratch: (_, [, , Q, C]) => 176 + Q * 16 * Math.ceil(C / 4),
  numbers: sliding,
});
const anyMaxPoolGradient = pooling({ name: 'maxPool2d.inputGradient', routine: 'maxPoolGradient', gradient: true, numbers: sliding });
export const maxPoolGradientWasm: Variant<Window> = {
  ...anyMaxPoolGradient,
  lower(context) {
    const { attributes, inputs, output } = context;
    const { kernel, stride, padding } = attributes;
    if (kernel !== 3 || stride !== 2) return anyMaxPoolGradient.lower(context);
    const [N, H, W, C] = output.shape;
    const [, P, Q] = inputs[0].shape;
    return [
      wasmLaunch('maxPool2d.inputGradient', {
        routine: 'maxPoolGradient3',
        units: N * Math.ceil((H + padding) / 2),
        inputs,
        output,
        arguments: (inputs, dx) => [...inputs, dx, H, W, C, P, Q, padding],
      }),
    ];
  },
};

/** Channels of a unit: whole rows of pixels are read fastest, but there should be several units even if an image becomes one pixel. */
const blockOf = ([N, P, , C]: Shape): number => Math.min(C, N * P < 16 ? 256 : 2048);
/** padding; step, parts and reach of rows and of columns; which cells count: see `core/assembly/avgPool.ts`. */
function slidingMean({ kernel, stride, padding, countIncludePad }: Window & { readonly countIncludePad: boolean }, [, H, W]: Shape) {
  const counted = countIncludePad ? [0, H + 2 * padding, W + 2 * padding] : [padding, H + padding, W + padding];
  return [padding, stride, 1, kernel, stride, 1, kernel, ...counted];
}
function adaptiveMean(_: unknown, [, H, W]: Shape, [, P, Q]: Shape) {
  return [0, H, P, H + P - 1, W, Q, W + Q - 1, 0, H, W];
}
function mean<A>(name: string, numbers: Pooling<A>['numbers']) {
  return pooling<A>({
    name,
    routine: 'avgPool',
    pieces: ([, , , C], pooled) => Math.ceil(C / blockOf(pooled)),
    scratch: (_, pooled) => 4 * blockOf(pooled) + 16,
    numbers: (attributes, image, pooled) => [blockOf(pooled), ...numbers(attributes, image, pooled)],
  });
}
function meanGradient<A>(name: string, numbers: Pooling<A>['numbers']) {
  return pooling<A>({ name, routine: 'avgPoolGradient', gradient: true, scratch: ([, , W], [, , Q]) => 8 * W + 4 * Q, numbers });
}

export const avgPoolWasm = mean('avgPool2d', slidingMean);
export const avgPoolGradientWasm = meanGradient('avgPool2d.inputGradient', slidingMean);
export const adaptiveAvgPoolWasm = mean('adaptiveAvgPool2d', adaptiveMean);
export const adaptiveAvgPoolGradientWasm = meanGradient('adaptiveAvgPool2d.inputGradient', adaptiveMean);
