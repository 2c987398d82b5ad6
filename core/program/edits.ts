/**
 * The tensor `edits`, which the host writes before a pass whose images are changed on the device: a row an image. The order in which
 * it happens: the ops of the row, then the erased rectangle, in an image and in the one that it takes in; then the two are put together.
 */
export const editsName = 'edits';

/** Ops that a row has room for. */
export const mostOps = 8;
/** Numbers of an op: its kind, and what `opKind` says. */
export const opLength = 4;

/** Places in a row. Rectangles are top, left, bottom and right; an empty one, all zeros, contains nothing. */
export const editSlot = {
  /** What of each value is the image's own, and what its partner's: 1 and 0 for an image that stays alone. */
  share: 0,
  rest: 1,
  /** Index of the image that it takes in; its own for one that stays alone. */
  partner: 2,
  /** The pixels in it are the partner's. */
  cut: 3,
  /** The pixels in it have the values of `fill`, or noise around them. */
  erased: 7,
  /** [4]: the two keys of the noise, upper and lower halves of each. */
  noise: 11,
  /** [8,4]: one after the other; 0 where there are no more. */
  ops: 15,
  /** [C]: bytes in the erased rectangle; with noise their mean, and a half more. */
  fill: 15 + mostOps * opLength,
} as const;

/** Deviations of the noise in the erased rectangle, in bytes, [C]: behind `fill`. All 0 if it is filled with constants. */
export const deviationSlot = (channels: number): number => editSlot.fill + channels;
/** Numbers of a row. */
export const editsLength = (channels: number): number => editSlot.fill + 2 * channels;

/**
 * Kinds of ops (`core/data/augment` has the formulas), each with its numbers. The first three give each value v the byte
 * factor · v + rest · other.
 */
export const opKind = {
  /** Factor, rest; other is 0. */
  brightness: 1,
  /** Factor, rest; other is the pixel's grey. */
  saturation: 2,
  /** Factor, rest; other is the mean of the image's grey, the ops before it done: one of them a row at most. */
  contrast: 3,
  /** Turns. */
  hue: 4,
  /** Steps between the values that are kept, and 1 / that. */
  posterize: 5,
  /** Values from it on are inverted. */
  solarize: 6,
  /** Added to red, green and blue before the whole number below is taken. */
  lighting: 7,
} as const;

/** The tensor `quantiles`, which noise is drawn from: of the normal distribution, in the middle of as many equal parts. */
export const quantilesName = 'quantiles';
export const quantilesLength = 4096;
