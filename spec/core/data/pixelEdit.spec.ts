import assert from 'node:assert/strict';
import type { EraseDraw } from '../../../core/data/augment/erase.ts';
import { divide, editPixels, type PixelEdit, pixelEdit, shownPixels } from '../../../core/data/pixelEdit.ts';
import { applyTransforms } from '../../../core/data/rawPixels.ts';
import type { Transform } from '../../../core/data/sample.ts';
import { hash, uniforms } from '../../../core/random.ts';
import { fakeBatch } from '../../trainingFixtures.ts';

const flip: Transform = { kind: 'horizontalFlip' };
const light: Transform = { kind: 'pixels', ops: [{ op: 'lighting', offsets: [0.11, -0.07, 0.013] }] };
const grey: Transform = { kind: 'pixels', ops: [{ op: 'grayscale' }] };
const contrast: Transform = { kind: 'pixels', ops: [{ op: 'contrast', factor: 1.3 }] };
const sharp: Transform = { kind: 'pixels', ops: [{ op: 'sharpness', factor: 1.3 }] };
const jitter: Transform = {
  kind: 'pixels',
  ops: [{ op: 'hue', shift: -0.2 }, ...opsOf(contrast), { op: 'saturation', factor: 0.4 }, { op: 'brightness', factor: 1.7 }],
};
const draw: EraseDraw = { scale: [0.1, 0.3], ratio: [0.3, 3.3], draws: Array.from({ length: 40 }, uniforms(4)) };
const erase: Transform = { kind: 'erase', ...draw, fill: { kind: 'constant', value: [123.675, 7, 300] } };
const noise: Transform = { kind: 'erase', ...draw, fill: { kind: 'noise', seed: 1, mean: [0.3], std: [0.2] } };
const pixels = (...transforms: readonly Transform[]): Transform => ({ kind: 'pixels', ops: transforms.flatMap(opsOf) });

describe('divide', () => {
  const table: readonly (readonly [string, readonly Transform[], readonly Transform[], readonly Transform[], (1 | 3)?])[] = [
    ['nothing of geometry', [flip], [flip], []],
    ['light', [flip, light], [flip], [light]],
    ['constants', [flip, erase], [flip], [erase]],
    ['both in their order', [light, erase], [], [light, erase]],
    ['the last alone in the other order', [erase, light], [erase], [light]],
    ['noise', [flip, light, noise], [flip], [light, noise]],
    ['nothing before geometry', [light, erase, flip], [light, erase, flip], []],
    ['the last rectangle alone', [light, erase, erase], [light, erase], [erase]],
    ['the end of a sequence', [{ kind: 'sequence', transforms: [flip, light] }, erase], [flip], [light, erase]],
    ['all that follows what it cannot do', [jitter, sharp, grey, light], [jitter, sharp], [pixels(grey, light)]],
    ['what follows it among ops, too', [pixels(jitter, sharp, grey), light], [pixels(jitter, sharp)], [pixels(grey, light)]],
    ['one contrast, the last', [contrast, grey, contrast, light], [contrast], [pixels(grey, contrast, light)]],
    [
      'eight ops',
      [jitter, ...new Array<Transform>(7).fill(grey)],
      [pixels(...parts(jitter, 0, 3))],
      [pixels(...parts(jitter, 3), ...new Array(7).fill(grey))],
    ],
    ['no light of grey images, which is an error', [light, grey, erase], [light], [grey, erase], 1],
    ['nothing of nothing', [], [], []],
  ];
  for (const [what, transforms, now, later, channels = 3] of table) {
    it(`should leave ${what}`, () => assert.deepEqual(divide(transforms, channels), { now, later }));
  }
});

describe('editPixels', () => {
  it('should give the bytes of the transforms that it stands for @smoke', () => {
    const image = { data: Uint8Array.from({ length: 12 * 9 * 3 }, (_, i) => hash(i) & 255), height: 12, width: 9, channels: 3 };
    for (const later of [[], [light], [erase], [jitter, erase], [pixels(grey, light), noise]]) {
      const edit = pixelEdit(later, image);
      assert.deepEqual(editPixels(image, edit).data, applyTransforms(image, later).data);
      assert.equal(edit === undefined, later.length === 0);
    }
    assert.notDeepEqual(editPixels(image, pixelEdit([jitter, erase], image)).data, image.data);
  });

  it('should be nothing where no rectangle fits', () => {
    assert.equal(pixelEdit([{ ...erase, scale: [5, 6] }], { height: 4, width: 4 }), undefined);
  });
});

describe('shownPixels', () => {
  it('should edit a sample and its partner before they are mixed', () => {
    const batch = fakeBatch({ count: 2 });
    assert.equal(shownPixels(batch, 1), batch.cells[1]);
    const edits: PixelEdit[] = [
      { ops: [{ op: 'lighting', offsets: [0.1, 0.1, 0.1] }] },
      { erased: { top: 0, left: 0, height: 8, width: 8, fill: { kind: 'constant', value: [40] } } },
    ];
    const mixture = { partners: Int32Array.of(1, 0), shares: Float32Array.of(0.5, 0.5) };
    const [lit, mixed] = [shownPixels({ ...batch, edits }, 0), shownPixels({ ...batch, edits, mixture }, 0)];
    for (const [p, value] of mixed.entries()) assert.equal(value, (lit[p]! + 40 + 1) >> 1);
    assert.ok(lit.some((value, p) => value !== batch.cells[0]![p]));
  });
});

function opsOf(transform: Transform) {
  assert.ok(transform.kind === 'pixels');
  return transform.ops;
}
/** Its ops from one to before another. */
function parts(transform: Transform, from: number, past?: number): Transform[] {
  return [{ kind: 'pixels', ops: opsOf(transform).slice(from, past) }];
}
