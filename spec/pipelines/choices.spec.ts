import assert from 'node:assert/strict';
import { z } from 'zod';
import { graph } from '../../core/index.ts';
import { commonOptions } from '../../pipelines/definePipeline.ts';
import { fitTo } from '../../pipelines/fitTo.ts';
import { chooseSize } from '../../pipelines/run/chooseImages.ts';
import { flagsOf, parseOptions } from '../../pipelines/run/flags.ts';

describe('chooseSize', () => {
  const grey28 = { height: 28, width: 28, channels: 1, uniform: true } as const;
  const photo = { height: 375, width: 500, channels: 3, uniform: false } as const;
  const fixed = (channels: number, size = 32) => {
    const g = graph('fixed', [size, size, channels]);
    return g.output(g.linear('fc', g.flatten('flatten', g.input), { features: 2 }));
  };

  it('should leave small images at their size and in their channels @smoke', () => {
    assert.deepEqual(chooseSize(grey28, undefined, undefined), { height: 28, width: 28, channels: 1, small: true, native: true });
  });
  it('should bring large ones to 224 in RGB', () => {
    assert.deepEqual(chooseSize(photo, undefined, undefined), { height: 224, width: 224, channels: 3, small: false, native: false });
    assert.equal(chooseSize({ ...photo, channels: 1 }, undefined, undefined).channels, 3);
  });
  it('should take --size', () => {
    assert.deepEqual(chooseSize(grey28, 64, undefined), { height: 64, width: 64, channels: 1, small: true, native: false });
    assert.deepEqual(chooseSize(photo, 32, undefined), { height: 32, width: 32, channels: 3, small: true, native: false });
  });
  it('should take the input of a graph that is given', () => {
    assert.deepEqual(chooseSize(grey28, undefined, fixed(3)), { height: 32, width: 32, channels: 3, small: true, native: false });
    assert.throws(() => chooseSize(grey28, 28, fixed(3)), /--size: expected 32 × 32, the input of model "fixed", got 28\./);
    assert.throws(() => chooseSize(grey28, undefined, fixed(4)), /expected an input of 1 or 3 channels, got 4\./);
  });
});

describe('fitTo', () => {
  const names = (images: Parameters<typeof fitTo>[0]) => fitTo(images).map(({ name }) => name);
  it('should resize small images exactly and cut the middle of large ones', () => {
    assert.deepEqual(names({ height: 28, width: 28, small: true, native: true }), ['resize(28 x 28)']);
    assert.deepEqual(names({ height: 64, width: 64, small: true, native: false }), ['resize(64 x 64)']);
    assert.deepEqual(names({ height: 224, width: 224, small: false, native: false }), ['resize(256)', 'centerCrop(224 x 224)']);
  });
});

describe('flags', () => {
  const schema = commonOptions.extend({
    batch: z.number().int().min(1).default(256).describe('images a step'),
    warmupSteps: z.number().int().default(5).describe('steps that rise'),
    nesterov: z.boolean().default(false).describe('look ahead'),
    mirror: z.boolean().default(true).describe('flips'),
    kind: z.enum(['a', 'b']).default('a').describe('which'),
  });

  it('should come from the schema with defaults and descriptions @smoke', () => {
    const flags = Object.fromEntries(flagsOf(schema).map(({ flags: text, description }) => [text, description]));
    assert.equal(flags['--batch <N>'], 'images a step (default: 256)');
    assert.equal(flags['--warmup-steps <number>'], 'steps that rise (default: 5)');
    assert.ok('--nesterov' in flags);
    assert.ok('--no-mirror' in flags);
    assert.equal(flags['--kind <string>'], 'which (default: a): a, b');
  });

  it('should fill in defaults and let a pipeline change those of the common options', () => {
    const options = parseOptions(schema, { epochs: 2 });
    assert.deepEqual([options.epochs, options.batch, options.warmupSteps, options.mirror], [2, 256, 5, true]);
  });

  it('should refuse what does not fit and name the flag', () => {
    assert.throws(
      () => parseOptions(schema, { warmupSteps: 1.5 }),
      /--warmup-steps: expected a whole number, got 1\.5\. It is: steps that rise\./,
    );
    assert.throws(() => parseOptions(schema, { kind: 'c' }), /--kind: expected one of a, b, got "c"\./);
    assert.throws(
      () => flagsOf(z.object({ list: z.array(z.string()) })),
      /definePipeline: expected options that are numbers, strings, booleans or enums, got array/,
    );
  });
});
