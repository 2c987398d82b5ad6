import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { lastValueFrom, map, tap, toArray } from 'rxjs';
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
          const out = await decodeImage({ picture, transforms, channels: 3, pixelLimit: 1e8, shrinkOnLoad: 'never', cell });
          assert.ok(out.ok, name);
          assert.deepEqual(out.upright, { height: size![0], width: size![1] }, name);
          return [...new Uint8Array(cell)];
        };
        // behind a flip that is undone the crop is no longer the first thing that happens
        assert.deepEqual(await ask([crop]), await ask([flip, flip, crop]), name);
      }
    });

    it('should make no more of a large result than a crop of it needs, and refuse one that is wanted whole', async () => {
      const bytes = files.get('one-by-20000')!;
      const ask = (transforms: Parameters<typeof decodeImage>[0]['transforms']) =>
        decodeImage({ picture: { kind: 'encoded', bytes }, transforms, channels: 3, pixelLimit: 1e8, cell: new SharedArrayBuffer(1e6) });
      const short = { kind: 'resizeShortSide', size: 256 } as const;
      const middle = await ask([short, { kind: 'centerCrop', height: 224, width: 224 }]);
      assert.ok(middle.ok && middle.height === 224 && middle.width === 224, 'the middle of 256 x 5,120,000');
      assert.deepEqual(await ask([short]), {
        ok: false,
        reason: 'it is 20000 x 1 pixels, and its transforms make that 5120000 x 256, more than pixelLimit allows (100000000)',
      });
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

  describe('names and links', () => {
    let png: Buffer;
    before(async () => {
      png = await sharp(Buffer.from([1, 2, 3]), { raw: { width: 1, height: 1, channels: 3 } })
        .png()
        .toBuffer();
    });
    /** By the path below the folder. */
    async function taken(): Promise<Map<string, string>> {
      const found = new Map<string, string>();
      const below = (key: string) => key.slice(folder.path().length + 1);
      const out = imageFolder(folder.path()).pipe(
        decode({ pool, onError: 'skip', bad: ({ key, reason }) => found.set(below(key), reason) }),
        pixels(),
        tap(({ key }) => found.set(below(key), 'taken')),
      );
      await lastValueFrom(out, { defaultValue: undefined });
      return found;
    }
    const write = (...names: string[]) => writeFiles(folder.path(), Object.fromEntries(names.map(name => [name, png])));

    it('should read files with names in any encoding', async function () {
      if (process.platform !== 'linux') this.skip();
      await write('a/1.png', 'b/na\u00efve \u{1f33b}.png', 'b/it\'s "50%" #1?.png', 'b/ leading.png', 'b/\ufffd.png');
      const strange = [
        Buffer.concat([Buffer.from(folder.path('a/caf')), Buffer.of(0xe9), Buffer.from('.JPG')]), // ISO 8859-1
        Buffer.concat([Buffer.from(folder.path('a/')), Buffer.of(0x93, 0xfa, 0x96, 0x7b), Buffer.from('.png')]), // Shift JIS
        Buffer.concat([Buffer.from(folder.path('a/')), Buffer.of(0xed, 0xb2, 0x80), Buffer.from('.png')]), // a surrogate as UTF-8
      ];
      for (const name of strange) await writeFile(name, png);
      const klass = Buffer.concat([Buffer.from(folder.path()), Buffer.of(0x2f, 0xff, 0xfe)]);
      await mkdir(klass);
      await writeFile(Buffer.concat([klass, Buffer.from('/deep.png')]), png);
      const found = await taken();
      assert.equal(found.size, 9);
      assert.deepEqual(new Set(found.values()), new Set(['taken']), JSON.stringify([...found]));
      assert.ok(found.has('a/caf\udce9.JPG'), 'as Python would call it');
    });

    it('should follow links, and say which lead nowhere or in a circle', async () => {
      await write('a/1.png', 'b/2.png', 'elsewhere/3.png');
      await rename(folder.path('elsewhere'), `${folder.path()}-elsewhere`);
      try {
        await symlink(`${folder.path()}-elsewhere/3.png`, folder.path('a/link.png'));
        await symlink(`${folder.path()}-elsewhere`, folder.path('a/folder'));
        await symlink('gone.png', folder.path('a/lost.png'));
        await symlink('self.png', folder.path('a/self.png'));
        await symlink('gone', folder.path('a/lost'));
        await symlink('..', folder.path('a/circle'));
        await symlink('.', folder.path('b/here'));
        await symlink('../b', folder.path('a/other'));
        assert.deepEqual(Object.fromEntries(await taken()), {
          'a/1.png': 'taken',
          'a/link.png': 'taken',
          'a/folder/3.png': 'taken',
          'a/other/2.png': 'taken',
          'a/lost.png': 'it is a link to nothing',
          'a/self.png': 'it is a link that leads back to itself',
          'b/2.png': 'taken',
        });
      } finally {
        await rm(`${folder.path()}-elsewhere`, { recursive: true });
      }
    });

    it('should not lose a class to a link that leads nowhere', async () => {
      await write('a/1.png', 'b/2.png');
      await symlink('/nowhere/at/all', folder.path('c'));
      await assert.rejects(taken(), {
        message: `class folder ${folder.path('c')}: expected a link to a folder, got a link to nothing. Mount what it leads to, or remove the link.`,
      });
    });

    it('should not wait for pipes, nor read devices or folders that have taken the place of a file', async () => {
      await write('a/1.png', 'a/2.png', 'a/3.png', 'b/1.png');
      const samples = await lastValueFrom(imageFolder(folder.path()).pipe(toArray()));
      await rm(folder.path('a/1.png'));
      execFileSync('mkfifo', [folder.path('a/1.png')]);
      await rm(folder.path('a/2.png'));
      await mkdir(folder.path('a/2.png'));
      await rm(folder.path('a/3.png'));
      await symlink('/dev/zero', folder.path('a/3.png'));
      const reasons = await Promise.all(
        samples.slice(0, 3).map(async ({ picture }) => {
          const out = await decodeImage({ picture, transforms: [], channels: 3, pixelLimit: 1e8, cell: new SharedArrayBuffer(0) });
          return out.ok ? 'taken' : out.reason;
        }),
      );
      assert.deepEqual(reasons, ['it is a pipe or a device, not a file', 'it is a folder', 'it is a pipe or a device, not a file']);
    });

    it('should say that permission was denied', async function () {
      // nothing is denied to root
      if (process.getuid?.() === 0) this.skip();
      await write('a/1.png', 'b/1.png');
      await chmod(folder.path('a/1.png'), 0);
      assert.deepEqual(Object.fromEntries(await taken()), { 'a/1.png': 'permission to read the file is denied', 'b/1.png': 'taken' });
    });

    it('should go on when files go, come, grow and change while they are read', async () => {
      await write(...Array.from({ length: 40 }, (_, i) => `${i % 2 ? 'b' : 'a'}/${String(i).padStart(2, '0')}.png`));
      const other = await sharp(Buffer.alloc(4 * 3, 9), { raw: { width: 2, height: 2, channels: 3 } })
        .png()
        .toBuffer();
      const source = imageFolder(folder.path());
      // the first epoch lists them
      await lastValueFrom(source);
      await rm(folder.path('b/39.png'));
      await writeFile(folder.path('b/37.png'), other);
      await writeFile(folder.path('b/35.png'), Buffer.concat([png, Buffer.alloc(1000)]));
      await write('b/99.png', 'c/1.png');
      const found: string[] = [];
      const out = source.pipe(
        decode({ pool, onError: 'skip', bad: ({ key, reason }) => found.push(`${key.slice(-6)} ${reason}`) }),
        pixels(),
        map(({ key, label, pixels: { width } }) => {
          if (key.endsWith('b/37.png')) found.push(`37.png ${width}`);
          return label;
        }),
        toArray(),
      );
      const labels = await lastValueFrom(out);
      assert.equal(labels.length, 39);
      assert.deepEqual(found.sort(), ['37.png 2', '39.png the file does not exist']);
    });
  });
});
