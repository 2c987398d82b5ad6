/**
 * Convolutions with a filter a channel (`groups` = channels = filters) in WebAssembly: see `core/assembly/depthwise.ts`. Eight filters
 * side by side, as the implicit product of `convWasm.ts` wants them, would be seven columns of zeros.
 */
import type { Variant } from '../../kernels/variant.ts';
import type { Shape } from '../../shape.ts';
import { four, type WindowPlace } from '../conv2d/geometry.ts';
import type { Fused } from '../fusion.ts';
import { wasmLaunch } from './wasmLaunch.ts';

/** Channels of a unit of the filters' gradient, as in the assembly. */
const CHANNELS = 16;

const applies = ({ groups }: WindowPlace, [, , each, filters]: Shape) => groups > 1 && each === 1 && filters === groups;

export const depthwiseForward: Variant<WindowPlace & Fused> = {
  name: 'conv2d/wasm-depthwise',
  device: 'wasm',
  fuses: ['relu'],
  applies: (attributes, [, weight]) => applies(attributes, weight!),
  lower({ attributes: { stride, padding, dilation, relu = false }, inputs: [x, weight, bias], output }) {
    const [, H, W, C] = four(x!.shape);
    const [N, P, Q] = four(output.shape);
    const [R, S] = four(weight!.shape);
    const finish = (bias ? 1 : 0) + (relu ? 2 : 0);
    return [
      wasmLaunch('conv2d.depthwise', {
        routine: 'depthwise',
        units: N * P,
        inputs: [x!, weight!, ...(bias ? [bias] : [])],
        output,
        arguments: ([xAt, weightAt, biasAt = 0], to) => [
          ...[xAt!, weightAt!, biasAt, to, H, W, C, P, Q, R, S, padding, dilation, stride, finish],
        ],
      }),
    ];
  },
};

export const depthwiseInputGradient: Variant<WindowPlace> = {
  name: 'conv2d.inputGradient/wasm-depthwise',
  device: 'wasm',
  applies: (attributes, [, weight]) => applies(attributes, weight!),
  lower({ attributes: { stride, padding, dilation }, inputs: [dy, weight], output }) {
    const [N, H, W, C] = four(output.shape);
    const [, P, Q] = four(dy!.shape);
    const [R, S] = four(weight!.shape);
    return [
      wasmLaunch('conv2d.inputGradient.depthwise', {
        routine: 'depthwiseInput',
        units: N * H,
        inputs: [dy!, weight!],
        output,
        arguments: (inputs, to) => [...inputs, to, H, W, C, P, Q, R, S, padding, dilation, stride],
      }),
    ];
  },
};

export const depthwiseFilterGradient: Variant<WindowPlace> = {
  name: 'conv2d.filterGradient/wasm-depthwise',
  device: 'wasm',
  applies: (attributes, _, weight) => applies(attributes, weight),
  lower({ attributes: { stride, padding, dilation }, inputs: [x, dy], output }) {
    const [N, H, W, C] = four(x!.shape);
    const [, P, Q] = four(dy!.shape);
    const [R, S] = four(output.shape);
    return [
      wasmLaunch('conv2d.filterGradient.depthwise', {
        routine: 'depthwiseFilters',
        units: R * S * Math.ceil(C / CHANNELS),
        scratch: 64,
        inputs: [x!, dy!],
        output,
        arguments: (inputs, to) => [...inputs, to, N, H, W, C, P, Q, S, padding, dilation, stride],
      }),
    ];
  },
};
