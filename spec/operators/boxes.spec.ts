import assert from 'node:assert/strict';
import { lastValueFrom, map, mergeMap, of, tap, toArray } from 'rxjs';
import sharp from 'sharp';
import { Demand } from '../../core/data/demand.ts';
import type { Box, Picture } from '../../core/data/sample.ts';
import { augment, batch, cropToBox, decode, horizontalFlip, pixels, resize } from '../../operators/index.ts';
import { ImmediatePool, tinySource } from './tinySource.ts';

const box = (top: number, left: number, bottom: number, right: number, label = 0): Box => ({ label, top, left, bottom, right });
const bounds = (boxes: readonly Box[] | undefined) => boxes?.map(({ top, left, bottom, right }) => [top, left, bottom, right]);
const object = box(2, 4, 8, 12);

/** 20 × 40, black with the object in white. */
function picture(): Picture & { kind: 'raw' } {
  const data = new Uint8Array(20 * 40);
  for (let y = object.top; y < object.bottom; y++) data.fill(255, y * 40 + object.left, y * 40 + object.right);
  return { kind: 'raw', pixels: data, height: 20, width: 40, channels: 1 };
}
const source = (boxes: (index: number) => readonly Box[] | undefined, count = 1, of: () => Picture = picture) =>
  tinySource(count, { picture: of }).pipe(map(sample => ({ ...sample, boxes: boxes(sample.index) })));
const grey = { pool: new ImmediatePool(), channels: 1 } as const;
const flipped = horizontalFlip({ probability: 1 });

describe('boxes on their way', () => {
  it('should come out in the pixels of the output @smoke', async () => {
    const out = await lastValueFrom(
      source(index => (index === 1 ? [] : [object, box(-9, 30, 2, 50, 3)]), 2).pipe(
        decode(grey),
        augment([flipped, resize({ height: 10, width: 20 })]),
        batch(2),
      ),
    );
    assert.deepEqual(out.boxes?.map(bounds), [
      [
        [1, 14, 4, 18],
        [0, 0, 1, 5],
      ],
      [],
    ]);
    assert.equal(out.boxes[0][1].label, 3);
    const none = await lastValueFrom(source(() => undefined).pipe(decode(grey), batch(1)));
    assert.equal('boxes' in none, false, 'a data set without boxes has none');
  });

  it('should be dropped as minVisible says', async () => {
    const seen = (minVisible?: number) =>
      lastValueFrom(
        source(() => [object, box(2, 8, 8, 16)]).pipe(
          decode({ ...grey, minVisible }),
          augment([cropToBox()]),
          pixels(),
          map(each => bounds(each.pixels.boxes)),
        ),
      );
    const [whole, half] = [
      [0, 0, 6, 8],
      [0, 4, 6, 8],
    ];
    assert.deepEqual(await seen(), [whole, half]);
    assert.deepEqual(await seen(0.6), [whole]);
    assert.throws(() => decode({ minVisible: 2 }), /decode: expected minVisible between 0 and 1, got 2\./);
  });

  it('should crop to a box, also when the pixels before were asked for already', async () => {
    const out = await lastValueFrom(
      source(() => [object]).pipe(
        decode(grey),
        augment([flipped, resize({ height: 40, width: 80 })]),
        mergeMap(async sample => {
          sample.lease.hold();
          await sample.job?.result;
          return sample;
        }),
        mergeMap(sample => of(sample).pipe(augment([cropToBox()]), pixels(), tap({ finalize: () => sample.lease.release() }))),
        map(({ pixels: { data, height, width, boxes } }) => ({ height, width, boxes: bounds(boxes), darkest: Math.min(...data) })),
      ),
    );
    assert.deepEqual({ ...out, darkest: 0 }, { height: 12, width: 16, boxes: [[0, 0, 12, 16]], darkest: 0 });
    assert.ok(out.darkest > 127, 'the object alone');
  });

  it('should draw the box to crop to, and leave a picture without boxes whole', async () => {
    const sizes = await lastValueFrom(
      source(() => [object, box(0, 0, 3, 5)], 32).pipe(
        decode(grey),
        augment([cropToBox({ choose: 'random' })]),
        pixels(),
        map(({ pixels: { height, width } }) => `${height} x ${width}`),
        toArray(),
      ),
    );
    assert.deepEqual([...new Set(sizes)].sort(), ['3 x 5', '6 x 8']);
    const whole = await lastValueFrom(source(() => []).pipe(decode(grey), augment([cropToBox()]), pixels()));
    assert.deepEqual([whole.pixels.height, whole.pixels.width], [20, 40]);
    assert.throws(() => cropToBox({ margin: -1 }), /cropToBox: expected margin as a share of the box's sides, 0 or more, got -1\./);
    assert.throws(() => cropToBox({ choose: 'last' as 'first' }), /cropToBox: expected choose to be 'first' or 'random', got "last"\./);
  });

  it('should lie in the upright picture where EXIF turns it', async () => {
    const { pixels: data, height, width } = picture();
    const raw = sharp(data, { raw: { height, width, channels: 1 } });
    // stored a quarter to the left, to be turned a quarter to the right
    const stored = await raw.rotate(270).toColourspace('b-w').jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer();
    const demand = new Demand();
    const turned = (list: Parameters<typeof augment>[0]) =>
      lastValueFrom(
        tinySource(1, { demand, picture: () => ({ kind: 'encoded', bytes: new Uint8Array(stored) }) }).pipe(
          map(sample => ({ ...sample, boxes: [object] })),
          decode({ channels: 1, workers: 1 }),
          augment(list),
          pixels(),
          map(({ pixels: { boxes, height, width, data: out } }) => ({ boxes: bounds(boxes), height, width, out: Uint8Array.from(out) })),
        ),
      );
    const { out, ...whole } = await turned([]);
    assert.deepEqual(whole, { boxes: [[2, 4, 8, 12]], height: 20, width: 40 });
    assert.ok(out[5 * 40 + 8] > 200 && out[5 * 40 + 20] < 60, 'drawn where the box is');
    const cropped = await turned([cropToBox()]);
    assert.ok(cropped.out.every(value => value > 127));
  });
});
