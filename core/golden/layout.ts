import type { StoredTensor } from '../formats/safetensors.ts';
import type { Shape } from '../shape.ts';

/** What a reference tensor is to us: an activation [N,C,H,W] → [N,H,W,C], or a parameter [O,C,R,S] → [R,S,C,O], [O,I] → [I,O]. */
export type Role = 'activation' | 'parameter';
export interface Numbers {
  readonly shape: Shape;
  readonly data: Float32Array;
}

const orders: Readonly<Record<Role, Readonly<Record<number, readonly number[]>>>> = {
  activation: { 4: [0, 2, 3, 1] },
  parameter: { 4: [2, 3, 1, 0], 2: [1, 0] },
};

/** A reference tensor in our layout. */
export function ours({ shape, data }: StoredTensor, role: Role): Numbers {
  const values = Float32Array.from(data as Float32Array, Number);
  const order = orders[role][shape.length];
  return order ? reorder(values, shape, order) : { shape, data: values };
}

/** Dimension i of the result is dimension `order[i]` of the input. */
export function reorder<T extends Float32Array | Float64Array>(data: T, shape: Shape, order: readonly number[]): { shape: Shape; data: T } {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
  const result = order.map(i => shape[i]);
  const moved = data.slice() as T;
  for (let at = 0; at < data.length; at++) {
    let rest = at;
    let from = 0;
    for (let i = order.length - 1; i >= 0; i--) {
      from += (rest % result[i]) * strides[order[i]];
      rest = Math.floor(rest / result[i]);
    }
    moved[at] = data[from];
  }
  return { shape: result, data: moved };
}
