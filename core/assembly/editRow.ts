/** Places in a row of edits, in bytes, as `core/program/edits.ts` has them in floats. */
export const SHARE: usize = 0;
export const REST: usize = 4;
export const PARTNER: usize = 8;
export const CUT: usize = 12;
export const ERASED: usize = 28;
export const NOISE: usize = 44;
export const OPS: usize = 60;
/** Bytes of an op: its kind and three numbers. */
export const OP: usize = 16;
export const PAST_OPS: usize = OPS + 8 * OP;
export const FILL: usize = PAST_OPS;

const CONTRAST: f32 = 3;

/** Where the op lies that changes the contrast; behind all ops if there is none. */
export function contrastOf(edits: usize): usize {
  for (let op = edits + OPS; op < edits + PAST_OPS; op += OP) if (load<f32>(op) === CONTRAST) return op;
  return edits + PAST_OPS;
}
