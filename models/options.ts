import { fail, show } from '../core/errors.ts';

/** What every model of the registry understands. */
export interface ModelOptions {
  readonly classes?: number;
  /** Height and width of the images in pixels. */
  readonly size?: number | readonly [height: number, width: number];
  /** 3 for RGB, 1 for grey. */
  readonly channels?: number;
  /** Probability of each dropout layer, for models that have them; 0 makes training repeatable against references. */
  readonly dropout?: number;
}

/** [height, width, channels] of one image, with a plain error where a model's strides would leave nothing of it. */
export function imageShape(
  model: string,
  options: ModelOptions,
  defaults: { size: number; channels: number; smallest: number },
): [number, number, number] {
  const { size = defaults.size, channels = defaults.channels } = options;
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  for (const pixels of [height, width]) {
    if (Number.isSafeInteger(pixels) && pixels >= defaults.smallest) continue;
    throw fail(
      'graph',
      `model "${model}"`,
      `images of at least ${defaults.smallest} × ${defaults.smallest} pixels`,
      show(size),
      `Set the size to ${defaults.smallest} or more${defaults.smallest > 32 ? ', or take a model for small images, for instance resnet20' : ''}.`,
    );
  }
  return [height, width, channels];
}
