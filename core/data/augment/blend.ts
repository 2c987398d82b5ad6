const f32 = Math.fround;

/** The whole number below, from 0 to 255: what a conversion to uint8 leaves of a clamped float. */
export const toByte = (x: number): number => (x <= 0 ? 0 : x >= 255 ? 255 : Math.trunc(x));

/** torchvision's _blend: factor · value + (1 - factor) · other in 32-bit floats, then a byte. */
export function blender(factor: number): (value: number, other: number) => number {
  const [own, rest] = [f32(factor), f32(1 - factor)];
  return (value, other) => toByte(f32(f32(own * value) + f32(rest * other)));
}
