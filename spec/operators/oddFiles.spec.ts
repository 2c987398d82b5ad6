import assert from 'node:assert/strict';
import { lastValueFrom, map, tap } from 'rxjs';
import sharp from 'sharp';
import type { Bad, Box, Sample } from '../../core/data/sample.ts';
import { WorkerPool } from '../../core/pool/workerPool.ts';
import decodeImage from '../../core/tasks/decodeImage.ts';
import { augment, cropToBox, decode, horizontalFlip, imageFolder, openDataSet, pixels, resize } from '../../operators/index.ts';
import { tarOf, useTemporaryFolder, writeFiles } from '../dataFixtures.ts';
import { oddPictures, orientationBlock } from './oddPictures.ts';
import { tinySource } from './tinySource.ts';

interface Outcome {
  readonly size?: readonly [number, number];
  readonly data?: Uint8Array;
  readonly refused?: string;
  readonly warning?: string;
}

describe('files as they are', () => {
  const folder = useTemporaryFolder();
  let pool: WorkerPool;
  before(() => {
    pool = new WorkerPool({ workers: 1 });
  });
  after(() => pool.close());

  /** What became of each sample, by the last part of its key without an extension. */
  async function outcomes(source: ReturnType<typeof imageFolder>): Promise<Map<string, Outcome>> {
    const found = new Map<string, Outcome>();
    const nameOf = (key: string) => key.slice(key.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
    const bad = ({ key, reason, warning }: Bad) =>
      found.set(nameOf(key), warning ? { ...found.get(nameOf(key)), warning: reason } : { refused: reason });
    const out = source.pipe(
      decode({ pool, onError: 'skip', bad }),
      pixels(),
      tap(({ key, pixels: { data, height, width } }) =>
        found.set(nameOf(key), { ...found.get(nameOf(key)), size: [height, width], data: Uint8Array.from(data) }),
      ),
    );
    await lastValueFrom(out, { defaultValue: undefined });
    return found;
  }

  describe('pictures', () => {
    const files = new Map<string, Uint8Array>();
    before(async () => {
      for (const { name, bytes } of oddPictures) files.set(name, await bytes());
    });

    it('should come out of folders as the table says', async () => {
      const all = [...files].map(([name, bytes]) => [`a/${name}.JPEG`, bytes] as const);
      await writeFiles(folder.path(), { ...Object.fromEntries(all), 'b/x.png': 'x' });
      const found = await outcomes(imageFolder(folder.path()));
      for (const { name, size, pixels: expected = [], within = 0, warning, refused } of oddPictures) {
        const outcome = found.get(name);
        assert.ok(outcome, name);
        if (refused !== undefined) {
          assert.equal(outcome.size, undefined, `${name} was taken`);
          if (typeof refused === 'string') assert.equal(outcome.refused, refused, name);
          else assert.match(outcome.refused ?? '', refused, name);
          continue;
        }
        assert.deepEqual(outcome.size, size, `${name}: ${outcome.refused}`);
        if (warning) assert.match(outcome.warning ?? 'no warning', warning, name);
        else assert.equal(outcome.warning, undefined, name);
        for (const [row, column, ...colour] of expected) {
          const at = 3 * (row * size![1] + column);
          const got = [...outcome.data!.subarray(at, at + 3)];
          assert.ok(
            got.every((value, c) => Math.abs(value - colour[c]) <= within),
            `${name}, row ${row}, column ${column}: ${got}, not ${colour}`,
          );
        }
      }
    });

    it('should come out of archives and shards the same', async () => {
      const id = 'n00000001';
      const images = [...files].map(([name, bytes]) => [`${id}_${name}.JPEG`, bytes] as const);
      const archive = await tarOf([
        [`${id}.tar`, await tarOf(images)],
        ['n00000002.tar', await tarOf([['n00000002_x.JPEG', 'x']])],
      ]);
      const shard = await tarOf([...files].flatMap(([name, bytes]) => [[`${name}.jpg`, bytes] as const, [`${name}.cls`, '0'] as const]));
      await writeFiles(folder.path(), {
        ...Object.fromEntries([...files].map(([name, bytes]) => [`folder/a/${name}.JPEG`, bytes])),
        'folder/b/x.png': 'x',
        'archive/ILSVRC2012_img_train.tar': archive,
        'shards/train-0.tar': shard,
        'shards/classes.txt': 'a\nb\n',
      });
      const fromFolder = await outcomes(imageFolder(folder.path('folder')));
      const open = async (name: string) => outcomes((await openDataSet(folder.path(name), { split: 'train' })).samples());
      const [fromArchive, fromShards] = [await open('archive'), await open('shards')];
      for (const { name } of oddPictures) {
        assert.deepEqual(fromArchive.get(`${id}_${name}`), fromFolder.get(name), `${name} in an archive`);
        assert.deepEqual(fromShards.get(name), fromFolder.get(name), `${name} in a shard`);
      }
    });

    it('should be cut to the same pixels from a region as from the whole, whatever they are', async () => {
      const draws = Array(40).fill(0.4);
      const crop = { kind: 'randomResizedCrop', height: 4, width: 4, scale: [0.2, 0.5], ratio: [0.9, 1.1], draws } as const;
      const flip = { kind: 'horizontalFlip' } as const;
      for (const { name, size } of oddPictures.filter(each => each.size && each.size[0] > 1)) {
        const ask = async (transforms: Parameters<typeof decodeImage>[0]['transforms']) => {
          const picture = { kind: 'encoded', bytes: files.get(name)! } as const;
          const cell = new SharedArrayBuffer(48);
          const out = await decodeImage({ picture, transforms, channels: 3, pixelLimit: 1e8, cell });
          assert.ok(out.ok, name);
          assert.deepEqual(out.upright, { height: size![0], width: size![1] }, name);
          return [...new Uint8Array(cell)];
        };
        // behind a flip that is undone the crop is no longer the first thing that happens
        assert.deepEqual(await ask([crop]), await ask([flip, flip, crop]), name);
      }
    });

    it('should refuse what a transform would make too large', async () => {
      const bytes = files.get('one-by-20000')!;
      const ask = (transforms: Parameters<typeof decodeImage>[0]['transforms']) =>
        decodeImage({ picture: { kind: 'encoded', bytes }, transforms, channels: 3, pixelLimit: 1e8, cell: new SharedArrayBuffer(1e6) });
      assert.deepEqual(
        await ask([
          { kind: 'resizeShortSide', size: 256 },
          { kind: 'centerCrop', height: 224, width: 224 },
        ]),
        {
          ok: false,
          reason: 'it is 20000 x 1 pixels, and its transforms make that 5120000 x 256, more than pixelLimit allows (100000000)',
        },
      );
      const crop = {
        kind: 'randomResizedCrop',
        height: 224,
        width: 224,
        scale: [0.08, 1],
        ratio: [0.75, 4 / 3],
        draws: Array(40).fill(0.5),
      } as const;
      const taken = await ask([crop]);
      assert.ok(taken.ok && taken.height === 224 && taken.width === 224, 'the largest crop of an allowed shape is one pixel');
    });

    it('should spend no memory on bombs', async () => {
      const before = process.memoryUsage().rss;
      for (const name of ['bomb-png', 'bomb-jpeg']) {
        const picture = { kind: 'encoded', bytes: files.get(name)! } as const;
        const out = await decodeImage({ picture, transforms: [], channels: 3, pixelLimit: 1e8, cell: new SharedArrayBuffer(0) });
        assert.ok(!out.ok);
      }
      const grown = (process.memoryUsage().rss - before) / 2 ** 20;
      assert.ok(grown < 100, `${grown} MB; one of them decoded is 2,700`);
    });

    it('should be as bad as failOn says', async () => {
      const ask = async (name: string, failOn: 'none' | 'truncated' | 'error' | 'warning') => {
        const picture = { kind: 'encoded', bytes: files.get(name)! } as const;
        const out = await decodeImage({ picture, transforms: [], channels: 3, pixelLimit: 1e8, failOn, cell: new SharedArrayBuffer(1e6) });
        return out.ok ? (out.warning ? 'warned' : 'taken') : 'refused';
      };
      const levels = ['none', 'truncated', 'error', 'warning'] as const;
      const row = async (name: string) => (await Promise.all(levels.map(level => ask(name, level)))).join(' ');
      assert.equal(await row('truncated'), 'warned refused refused refused');
      assert.equal(await row('broken-codes'), 'warned warned warned refused');
      assert.equal(await row('truncated-png'), 'warned refused refused refused');
      assert.equal(await row('baseline'), 'taken taken taken taken');
    });
  });

  it('should turn pictures as EXIF says, and boxes and crops with them', async () => {
    // 5 × 4 pixels, all different, as they should be seen
    const upright = Array.from({ length: 4 }, (_, y) => Array.from({ length: 5 }, (_, x) => 10 + 40 * y + 8 * x));
    /** What is stored so that orientation `o` shows it, by EXIF 2.3, table 4. */
    const stored = (o: number): number[][] => {
      const at = (y: number, x: number) => upright[y][x];
      const [h, w] = o < 5 ? [4, 5] : [5, 4];
      return Array.from({ length: h }, (_, y) =>
        Array.from({ length: w }, (_, x) =>
          [
            at.bind(0, 0, 0),
            () => at(y, x),
            () => at(y, 4 - x),
            () => at(3 - y, 4 - x),
            () => at(3 - y, x),
            () => at(x, y),
            () => at(x, 4 - y),
            () => at(3 - x, 4 - y),
            () => at(3 - x, y),
          ][o](),
        ),
      );
    };
    for (let o = 1; o <= 8; o++) {
      const values = stored(o);
      const [height, width] = [values.length, values[0].length];
      const png = await sharp(Buffer.from(values.flat()), { raw: { width, height, channels: 1 } })
        .toColourspace('b-w')
        .withMetadata({ orientation: o })
        .png()
        .toBuffer();
      const large = sharp(Buffer.from(values.flat()), { raw: { width, height, channels: 1 } }).resize({
        width: 16 * width,
        height: 16 * height,
        kernel: 'nearest',
      });
      const plain = await large.jpeg({ quality: 95 }).toBuffer();
      const jpeg = Buffer.concat([plain.subarray(0, 2), Buffer.of(0xff, 0xe1, 0, 34), orientationBlock(o), plain.subarray(2)]);
      const box: Box = { label: 3, top: 1, left: 3, bottom: 2, right: 5 };
      for (const [bytes, scale, within] of [
        [png, 1, 0],
        [jpeg, 16, 3],
      ] as const) {
        const scaled = { label: 3, top: scale, left: 3 * scale, bottom: 2 * scale, right: 5 * scale };
        const boxed = tinySource(1, { picture: () => ({ kind: 'encoded', bytes }) }).pipe(
          map((sample): Sample => ({ ...sample, boxes: [scaled] })),
        );
        const ask = async (...list: Parameters<typeof augment>[0]) =>
          lastValueFrom(
            boxed.pipe(
              decode({ pool, channels: 1 }),
              augment(list),
              pixels(),
              map(({ pixels: { data, height: h, width: w, boxes } }) => ({ h, w, data: [...data], boxes })),
            ),
          );
        const near = (got: readonly number[], expected: readonly number[]) =>
          assert.ok(
            got.length === expected.length && got.every((value, i) => Math.abs(value - expected[i]) <= within),
            `orientation ${o}: ${got}, not ${expected}`,
          );
        const whole = await ask();
        assert.deepEqual([whole.h, whole.w, whole.boxes], [4 * scale, 5 * scale, [scaled]]);
        if (scale === 1) near(whole.data, upright.flat());
        const cropped = await ask(cropToBox(), resize({ height: 1, width: 2 }));
        near(cropped.data, upright[box.top].slice(box.left));
        assert.deepEqual(cropped.boxes, [{ label: 3, top: 0, left: 0, bottom: 1, right: 2 }]);
        const flipped = await ask(horizontalFlip({ probability: 1 }), cropToBox(), resize({ height: 1, width: 2 }));
        near(flipped.data, upright[box.top].slice(box.left).reverse());
      }
    }
  });
});
