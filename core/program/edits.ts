/**
 * The tensor `edits`, which the host writes before a pass whose images are changed on the device: a row an image. The order in which
 * it happens: light, then the erased rectangle, in an image and in the one that it takes in; then the two are put together.
 */
export const editsName = 'edits';

/** Places in a row. Rectangles are top, left, bottom and right; an empty one, all zeros, contains nothing. */
export const editSlot = {
  /** What of each value is the image's own, and what its partner's: 1 and 0 for an image that stays alone. */
  share: 0,
  rest: 1,
  /** Index of the image that it takes in; its own for one that stays alone. */
  partner: 2,
  /** The pixels in it are the partner's. */
  cut: 3,
  /** The pixels in it have the values of `fill`. */
  erased: 7,
  /** [C]: added to each byte, of which the whole number below is taken, from 0 to 255. 0.5 changes nothing. */
  light: 11,
} as const;

/** Bytes in the erased rectangle, [C]: behind `light`. */
export const fillSlot = (channels: number): number => editSlot.light + channels;
/** Numbers of a row. */
export const editsLength = (channels: number): number => editSlot.light + 2 * channels;
