import assert from 'node:assert/strict';
import { inverseMatrix } from '../../../../core/data/augment/affine.ts';
import { randAugment, trivialAugmentWide } from '../../../../core/data/augment/index.ts';
import { applyTransforms } from '../../../../core/data/rawPixels.ts';
import type { Sample, Transform } from '../../../../core/data/sample.ts';
import { uniforms } from '../../../../core/random.ts';
import { torchvisionFixtures } from './torchvision.ts';

const fixtures = torchvisionFixtures();
const { colour } = fixtures.images;
const sample = {} as Sample;
const given =
  (...numbers: number[]) =>
  () =>
    numbers.shift() ?? 0;
const names = Object.keys(fixtures.trivialAugmentWide);
/** The numbers that lead to an op, a bin and a sign. */
const leadingTo = (op: number, bin: number, negative: boolean) => given((op + 0.5) / names.length, (bin + 0.5) / 31, negative ? 0.5 : 0.49);
const pixelsOf = (transform: Transform | undefined) => applyTransforms(colour, transform ? [structuredClone(transform)] : []).data;

/** What torchvision calls the magnitude of a drawn transform; for translations in pixels of an image of 240 rows and 331 columns. */
function magnitudeOf(transform: Transform | undefined): number | null {
  if (transform?.kind === 'affine') {
    const { angle, shear, translate, unit } = transform;
    if (angle !== undefined) return -angle;
    if (shear) return Math.tan(((shear[0] || shear[1]) * Math.PI) / 180);
    const [x, y] = translate!;
    return unit === 'shares' ? 331 * x + 240 * y : x + y;
  }
  if (transform?.kind !== 'pixels') return null;
  const [op] = transform.ops;
  if ('factor' in op) return op.factor - 1;
  if (op.op === 'posterize') return op.bits;
  return op.op === 'solarize' ? op.threshold : null;
}

describe('trivialAugmentWide and randAugment', () => {
  it('should give the bytes that torchvision gives for each op @smoke', () => {
    for (const { policy, op, bin, negative, expected } of fixtures.policies) {
      const entry = policy === 'randAugment' ? randAugment({ ops: 1, magnitude: bin }) : trivialAugmentWide();
      assert.deepEqual(pixelsOf(entry.draw(leadingTo(op, bin, negative), sample)), expected, `${entry.name}: ${names[op]}`);
    }
    assert.equal(fixtures.policies.length, 3 * names.length);
  });

  it("should have torchvision's magnitudes in every bin", () => {
    for (const policy of ['trivialAugmentWide', 'randAugment'] as const) {
      for (const [op, name] of names.entries()) {
        const { magnitudes, signed } = fixtures[policy][name];
        for (let bin = 0; bin < 31; bin++) {
          const entry = policy === 'randAugment' ? randAugment({ ops: 1, magnitude: bin }) : trivialAugmentWide();
          for (const negative of [false, true]) {
            const drawn = entry.draw(leadingTo(op, bin, negative), sample);
            const found = magnitudeOf(drawn?.kind === 'sequence' ? drawn.transforms[0] : drawn);
            const expected = magnitudes && (signed && negative ? -magnitudes[bin] : magnitudes[bin]);
            const near = found === null || expected === null ? found === expected : Math.abs(found - expected) < 1e-4;
            assert.ok(near, `${policy} ${name} ${bin}: ${found}, torchvision ${expected}`);
          }
        }
      }
    }
  });

  it('should cut fractions of a pixel off, and no pixel more', () => {
    const [, , x] = inverseMatrix(
      { translate: [(150 / 331) * (9 / 30), 0], unit: 'shares', center: 'middle', interpolation: 'nearest' },
      { height: 5, width: 331 },
    );
    assert.equal(x, -45);
  });

  it('should draw every op, and several one after the other', () => {
    const kinds = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const transform = randAugment({ ops: 3 }).draw(uniforms(i), sample);
      assert.ok(transform?.kind === 'sequence');
      for (const each of transform.transforms) kinds.add(each.kind === 'pixels' ? each.ops[0].op : Object.keys(each).sort().join());
    }
    assert.equal(kinds.size, 8 + 3, [...kinds].join(' '));
    const [first, second] = [leadingTo(10, 9, false), leadingTo(11, 9, false)];
    const numbers = [first(), first(), first(), second(), second(), second()];
    const drawn = randAugment().draw(given(...numbers), sample);
    assert.deepEqual(drawn, {
      kind: 'sequence',
      transforms: [
        { kind: 'pixels', ops: [{ op: 'posterize', bits: 7 }] },
        { kind: 'pixels', ops: [{ op: 'solarize', threshold: 178.5 }] },
      ],
    });
  });

  it('should give the same pixels for the same stream', () => {
    for (const entry of [trivialAugmentWide(), randAugment({ interpolation: 'bilinear' })]) {
      const all = (offset: number) => Array.from({ length: 20 }, (_, i) => pixelsOf(entry.draw(uniforms(i + offset), sample)));
      assert.deepEqual(all(0), all(0));
      assert.notDeepEqual(all(0), all(100));
    }
  });

  it('should say what is wrong with an argument', () => {
    assert.throws(() => randAugment({ magnitude: 31 }), {
      message: 'randAugment: expected magnitude to be a whole number from 0 to 30, below bins, got 31. Change the argument.',
    });
    assert.throws(() => randAugment({ ops: 0 }), /randAugment: expected ops to be a whole number, 1 or more, got 0/);
    assert.throws(() => trivialAugmentWide({ bins: 1 }), /trivialAugmentWide: expected bins to be a whole number, 2 or more, got 1/);
    assert.throws(
      () => trivialAugmentWide({ interpolation: 'cubic' as 'nearest' }),
      /expected interpolation to be 'nearest' or 'bilinear', got "?cubic/,
    );
  });
});
