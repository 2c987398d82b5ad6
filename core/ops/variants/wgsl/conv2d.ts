/**
 * The three directions of a convolution as tiled products in WGSL, with implicit matrices (see `product.ts`, `windows.ts`):
 *
 *   y = windows of x · W + bias            M = N·P·Q, N = O, K = (r, s, c)
 *   dx = windows of dy · turned W          M = N·H·W, N = C, K = (r, s, o); a product for each remainder of h and w by the stride
 *   dW = (windows of x)ᵀ · dy              M = (r, s, c), N = O, K = N·P·Q
 *
 * A stride s leaves only every s-th tap to an input row h, those with (h + padding − r·dilation) mod s = 0, so that a
 * product for each remainder multiplies no zeros. Convolutions in groups are left to others.
 *
 * Measured: on no GPU yet. On a software renderer they only show that they are right.
 */
import type { Variant, VariantLaunch } from '../../../kernels/variant.ts';
import type { Shape } from '../../../shape.ts';
import type { WindowPlace } from '../../conv2d/geometry.ts';
import type { Fused } from '../../fusion.ts';
import type { Problem } from './frame.ts';
import { type Method, productLaunches, tiled } from './launches.ts';
import { columnsOf, divide, rowsOf, times } from './operand.ts';
import { MOST_TAPS, pixelsOf, turnedFilters, type Windows, windowsOf } from './windows.ts';

type Four = readonly [number, number, number, number];
const four = (shape: Shape): Four => shape as Four;
/** Launches that one input gradient may take: the square of the stride. */
const MOST_PHASES = 16;

const takes = ({ groups }: WindowPlace, filters: Shape): boolean => groups === 1 && filters[0]! <= MOST_TAPS && filters[1]! <= MOST_TAPS;
/** Whether windows are the pixels themselves, one after the other. */
const pixelwise = ({ stride, padding }: WindowPlace, [R, S]: Shape): boolean => R === 1 && S === 1 && stride === 1 && padding === 0;

/** The forward windows on x [N,H,W,C]. */
function forwardWindows({ stride, padding, dilation }: WindowPlace, x: Shape, filters: Shape, y: Shape): Windows {
  const [R, S] = four(filters);
  const [, P, Q] = four(y);
  return { source: x, grid: [P, Q], stride, taps: [R, S], start: [-padding, -padding], step: [dilation, dilation] };
}

function forwardProblem(place: WindowPlace & Fused, x: Shape, filters: Shape, y: Shape): Problem {
  const [R, S, C, N] = four(filters);
  const M = y[0]! * y[1]! * y[2]!;
  const K = R * S * C;
  const a = pixelwise(place, filters) ? rowsOf('a', M, K) : windowsOf('a', forwardWindows(place, x, filters, y));
  return { size: { M, N, K }, a, b: columnsOf('b', N, K), relu: place.relu ?? false };
}

/** y[N,P,Q,O] of x [N,H,W,C], filters [R,S,C,O], bias [O] or none. */
export const convForward = (method: Method = tiled()): Variant<WindowPlace & Fused> => ({
  name: `conv2d/${method.name}`,
  device: 'webgpu',
  fuses: ['relu'],
  applies: (place, [x, filters], y, terms) =>
    takes(place, filters!) && method.applies([forwardProblem(place, x!, filters!, y).size], terms),
  lower({ attributes, inputs: [a, b, bias], output, terms, scratch }) {
    const problem = forwardProblem(attributes, a!.shape, b!.shape, output.shape);
    return productLaunches('conv2d.product', problem, { a: a!, b: b!, bias, output, scratch }, terms, method);
  },
});

function filterProblem(place: WindowPlace, x: Shape, filters: Shape, dy: Shape): Problem {
  const [R, S, C, N] = four(filters);
  const M = R * S * C;
  const K = dy[0]! * dy[1]! * dy[2]!;
  const a = pixelwise(place, filters) ? columnsOf('a', M, K) : pixelsOf('a', forwardWindows(place, x, filters, dy));
  return { size: { M, N, K }, a, b: columnsOf('b', N, K), relu: false };
}

/** dW[R,S,C,O] of x [N,H,W,C], dy [N,P,Q,O]. */
export const convFilterGradient = (method: Method = tiled()): Variant<WindowPlace> => ({
  name: `conv2d.filterGradient/${method.name}`,
  device: 'webgpu',
  applies: (place, [x, dy], dW, terms) => takes(place, dW) && method.applies([filterProblem(place, x!, dW, dy!).size], terms),
  lower({ attributes, inputs: [a, b], output, terms, scratch }) {
    const problem = filterProblem(attributes, a!.shape, output.shape, b!.shape);
    return productLaunches('conv2d.filterGradient', problem, { a: a!, b: b!, output, scratch }, terms, method);
  },
});

/** The taps r whose windows reach the rows h = i·stride + remainder, and the row of dy at which tap r does: i + start + t·step. */
interface Phase {
  /** How many rows h there are. */
  readonly rows: number;
  readonly taps: number;
  readonly first: number;
  /** From one of these taps to the next. */
  readonly every: number;
  readonly start: number;
  readonly step: number;
}
export function phaseOf(remainder: number, size: number, kernel: number, { stride, padding, dilation }: WindowPlace): Phase {
  const reaching = Array.from({ length: kernel }, (_, r) => r).filter(r => (remainder + padding - r * dilation) % stride === 0);
  const [first = 0, second = first] = reaching;
  const every = second - first;
  return {
    rows: Math.ceil((size - remainder) / stride),
    taps: reaching.length,
    first,
    every,
    start: (remainder + padding - first * dilation) / stride,
    step: (-every * dilation) / stride,
  };
}

/** One product for each pair of remainders. */
function inputProblems(place: WindowPlace, dy: Shape, filters: Shape, dx: Shape): Problem[] {
  const [images, H, W, N] = four(dx);
  const [R, S, , O] = four(filters);
  const { stride } = place;
  if (pixelwise(place, filters)) {
    const M = images * H * W;
    return [{ size: { M, N, K: O }, a: rowsOf('a', M, O), b: rowsOf('b', N, O), relu: false }];
  }
  const problems: Problem[] = [];
  for (let y = 0; y < Math.min(stride, H); y++) {
    for (let x = 0; x < Math.min(stride, W); x++) {
      const [down, right] = [phaseOf(y, H, R, place), phaseOf(x, W, S, place)];
      const taps = [down.taps, right.taps] as const;
      const grid = [down.rows, right.rows] as const;
      const windows: Windows = {
        source: dy,
        grid,
        stride: 1,
        taps,
        start: [down.start, right.start],
        step: [down.step, right.step],
      };
      problems.push({
        size: { M: images * grid[0] * grid[1], N, K: taps[0] * taps[1] * O },
        a: windowsOf('a', windows),
        b: turnedFilters('b', filters, taps, [down.first, right.first], [down.every, right.every]),
        relu: false,
        ...(stride > 1 && { row: (m: string) => scattered(m, grid, [H, W], stride, [y, x]) }),
      });
    }
  }
  return problems;
}

/** The pixel of dx that window m of a phase computes. */
function scattered(
  m: string,
  grid: readonly [number, number],
  [H, W]: readonly [number, number],
  stride: number,
  at: readonly [number, number],
): string {
  const line = divide(m, grid[1]);
  const image = divide(line, grid[0]);
  const h = `(${line} - ${times(image, grid[0])}) * ${stride} + ${at[0]}`;
  return `(${image} * ${H} + ${h}) * ${W} + (${m} - ${times(line, grid[1])}) * ${stride} + ${at[1]}`;
}

/** dx[N,H,W,C] of dy [N,P,Q,O], filters [R,S,C,O]. */
export const convInputGradient = (method: Method = tiled()): Variant<WindowPlace> => ({
  name: `conv2d.inputGradient/${method.name}`,
  device: 'webgpu',
  applies: (place, [dy, filters], dx, terms) =>
    takes(place, filters!) &&
    place.stride ** 2 <= MOST_PHASES &&
    method.applies(
      inputProblems(place, dy!, filters!, dx).map(({ size }) => size),
      terms,
    ),
  lower({ attributes, inputs: [a, b], output, terms, scratch }): VariantLaunch[] {
    const problems = inputProblems(attributes, a!.shape, b!.shape, output.shape);
    return problems.flatMap(problem => productLaunches('conv2d.inputGradient', problem, { a: a!, b: b!, output, scratch }, terms, method));
  },
});
