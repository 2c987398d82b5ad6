import type { Size } from '../geometry.ts';
import type { RawPixels } from '../rawPixels.ts';
import { roundHalfEven } from '../rounding.ts';

/** torchvision's `affine` at scale 1: a rotation, a shear and then a move. Zeros come in from outside. */
export interface Affine {
  /** Degrees, clockwise. */
  readonly angle?: number;
  /** Degrees, along x and y. */
  readonly shear?: readonly [number, number];
  /** To the right and down. */
  readonly translate?: readonly [number, number];
  /** Of `translate`: pixels (default), or shares of the width and the height. Fractions of a pixel are cut off. */
  readonly unit?: 'pixels' | 'shares';
  /** What stays in its place. */
  readonly center: 'middle' | 'corner';
  readonly interpolation: Interpolation;
}
export type Interpolation = 'nearest' | 'bilinear';

/** From a place in the result to one in the image, both counted from the middle: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5. */
export type Matrix = readonly [number, number, number, number, number, number];

/** torchvision's _get_inverse_affine_matrix. */
export function inverseMatrix({ angle = 0, shear = [0, 0], translate = [0, 0], unit, center }: Affine, { height, width }: Size): Matrix {
  const radians = (degrees: number): number => degrees * (Math.PI / 180);
  const [rotation, shearX, shearY] = [radians(angle), radians(shear[0]), radians(shear[1])];
  const [cx, cy] = center === 'corner' ? [-width / 2, -height / 2] : [0, 0];
  const [right, down] = unit === 'shares' ? [translate[0] * width, translate[1] * height] : translate;
  // to 32-bit floats first, as torchvision's magnitudes are: 45 - 7e-15 means 45
  const [tx, ty] = [right, down].map(each => Math.trunc(Math.fround(each)));
  const a = Math.cos(rotation - shearY) / Math.cos(shearY);
  const b = (-Math.cos(rotation - shearY) * Math.tan(shearX)) / Math.cos(shearY) - Math.sin(rotation);
  const c = Math.sin(rotation - shearY) / Math.cos(shearY);
  const d = (-Math.sin(rotation - shearY) * Math.tan(shearX)) / Math.cos(shearY) + Math.cos(rotation);
  return [d, -b, d * (-cx - tx) - b * (-cy - ty) + cx, -c, a, -c * (-cx - tx) + a * (-cy - ty) + cy];
}

/** What torchvision's grid_sample leaves of it, in 32-bit floats. */
export function affine(image: RawPixels, matrix: Matrix, interpolation: Interpolation): RawPixels {
  const { height, width, channels, data } = image;
  const f32 = Math.fround;
  const [x0, x1, x2] = matrix.slice(0, 3).map(each => f32(f32(each) / f32(0.5 * width)));
  const [y0, y1, y2] = matrix.slice(3).map(each => f32(f32(each) / f32(0.5 * height)));
  const out = new Uint8Array(data.length);
  for (let row = 0; row < height; row++) {
    const y = row + 0.5 - height / 2;
    for (let column = 0; column < width; column++) {
      const x = column + 0.5 - width / 2;
      const u = place(f32(fused(y, x1, f32(x * x0)) + x2), width);
      const v = place(f32(fused(y, y1, f32(x * y0)) + y2), height);
      const to = (row * width + column) * channels;
      if (interpolation === 'nearest') {
        const [fromColumn, fromRow] = [roundHalfEven(u), roundHalfEven(v)];
        if (fromColumn < 0 || fromColumn >= width || fromRow < 0 || fromRow >= height) continue;
        const from = (fromRow * width + fromColumn) * channels;
        for (let c = 0; c < channels; c++) out[to + c] = data[from + c];
      } else {
        for (let c = 0; c < channels; c++) out[to + c] = roundHalfEven(between(image, u, v, c));
      }
    }
  }
  return { ...image, data: out };
}

/**
 * a · b + c of 32-bit floats, rounded once, as torch's matrix product has it. It decides which pixel is nearest where a quarter
 * turn puts many of them halfway: what the sum in 64 bits lost is what breaks such a tie.
 */
function fused(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const added = sum - product;
  const lost = product - (sum - added) + (c - added);
  const nearest = Math.fround(sum);
  if (lost === 0) return nearest;
  const other = nearest + 2 * (sum - nearest);
  const halfway = other !== nearest && Math.fround(other) === other;
  return halfway ? Math[lost > 0 ? 'max' : 'min'](nearest, other) : nearest;
}

/** From -1 at the first edge and 1 at the last to pixels, 0 being the middle of the first one. */
const place = (x: number, size: number): number => Math.fround(Math.fround(x + 1) * size - 1) / 2;

function between({ data, height, width, channels }: RawPixels, u: number, v: number, c: number): number {
  const [left, top] = [Math.floor(u), Math.floor(v)];
  const at = (y: number, x: number): number => (y < 0 || y >= height || x < 0 || x >= width ? 0 : data[(y * width + x) * channels + c]);
  const [right, below] = [u - left, v - top];
  return (
    at(top, left) * (1 - right) * (1 - below) +
    at(top, left + 1) * right * (1 - below) +
    at(top + 1, left) * (1 - right) * below +
    at(top + 1, left + 1) * right * below
  );
}

/** The upright rectangle around a rectangle that moved with the pixels of an image of this size. */
export function boundsAfter<T extends { top: number; left: number; bottom: number; right: number }>(
  box: T,
  [a, b, x, c, d, y]: Matrix,
  { height, width }: Size,
): T {
  const determinant = a * d - b * c;
  const corners = [box.left, box.right].flatMap(left =>
    [box.top, box.bottom].map(top => {
      const [u, v] = [left - width / 2 - x, top - height / 2 - y];
      return { left: (d * u - b * v) / determinant + width / 2, top: (a * v - c * u) / determinant + height / 2 };
    }),
  );
  const [lefts, tops] = [corners.map(each => each.left), corners.map(each => each.top)];
  return { ...box, top: Math.min(...tops), left: Math.min(...lefts), bottom: Math.max(...tops), right: Math.max(...lefts) };
}
