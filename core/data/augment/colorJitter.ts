import type { Augmentation } from '../transforms.ts';
import { between, checkProbability, checkRange, type Range, wrong } from './arguments.ts';
import type { PixelOp } from './pixelOp.ts';

export interface ColorJitterOptions {
  /** A number x means [max(0, 1 - x), 1 + x]; 1 changes nothing. */
  readonly brightness?: number | Range;
  readonly contrast?: number | Range;
  readonly saturation?: number | Range;
  /** A number x means [-x, x]; in turns of the colour circle, at most half a turn. */
  readonly hue?: number | Range;
}

/** Brightness, contrast, saturation and hue by random factors, in a random order: torchvision's ColorJitter. */
export function colorJitter({ brightness = 0, contrast = 0, saturation = 0, hue = 0 }: ColorJitterOptions): Augmentation {
  const around = (name: string, value: number | Range, center: number, bounds: Range): Range => {
    if (typeof value === 'number' && !(value >= 0)) throw wrong('colorJitter', `${name} to be 0 or more, or [low, high]`, value);
    const range: Range = typeof value === 'number' ? [center === 1 ? Math.max(0, center - value) : center - value, center + value] : value;
    checkRange('colorJitter', name, range, bounds);
    return range;
  };
  const positive: Range = [0, Number.POSITIVE_INFINITY];
  const ranges = [
    around('brightness', brightness, 1, positive),
    around('contrast', contrast, 1, positive),
    around('saturation', saturation, 1, positive),
    around('hue', hue, 0, [-0.5, 0.5]),
  ] as const;
  const ops = ['brightness', 'contrast', 'saturation', 'hue'] as const;
  return {
    name: `colorJitter(${ops.map((op, i) => `${op} ${ranges[i].join(' to ')}`).join(', ')})`,
    draw(random) {
      const drawn: PixelOp[] = ops.map((op, i) => {
        const value = between(ranges[i], random());
        return op === 'hue' ? { op, shift: value } : { op, factor: value };
      });
      for (let i = drawn.length - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [drawn[i], drawn[j]] = [drawn[j], drawn[i]];
      }
      const changing = drawn.filter(each => ('factor' in each ? each.factor !== 1 : 'shift' in each && each.shift !== 0));
      return changing.length > 0 ? { kind: 'pixels', ops: changing } : undefined;
    },
  };
}

/** Grey in all channels, with the given probability: torchvision's RandomGrayscale, or Grayscale for probability 1. */
export function grayscale({ probability = 1 }: { readonly probability?: number } = {}): Augmentation {
  checkProbability('grayscale', probability);
  return {
    name: `grayscale(${probability})`,
    draw: random => (random() < probability ? { kind: 'pixels', ops: [{ op: 'grayscale' }] } : undefined),
  };
}
