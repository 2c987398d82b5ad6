/** A tensor's dimensions. Activations are [N,H,W,C], filters [R,S,C/groups,O], linear weights [in,out]. */
export type Shape = readonly number[];

export const elements = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);
export const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, i) => size === b[i]);
export const text = (shape: Shape): string => `[${shape.join(',')}]`;
/** Size of a sliding window's output (convolution and pooling), dilation included. */
export function windowOutput(input: number, kernel: number, stride: number, padding: number, dilation = 1, ceil = false): number {
  const room = input + 2 * padding - dilation * (kernel - 1) - 1;
  if (!ceil) return Math.floor(room / stride) + 1;
  const size = Math.ceil(room / stride) + 1;
  // PyTorch: in ceil mode the last window must start inside the input or its left padding
  return (size - 1) * stride >= input + padding ? size - 1 : size;
}
