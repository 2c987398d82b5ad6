import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Step } from '../../../core/index.ts';
import type { Prepared } from '../../../pipelines/run/prepare.ts';
import { TensorBoard } from '../../../pipelines/run/tensorBoard.ts';
import { crc32c, eventBytes, maskedCrc, record, records } from '../../../pipelines/run/tfRecord.ts';
import { metricsOf, millrace, small, temporaryFolder, toyData } from '../toy.ts';

/** CRC-32C bit by bit, as a division of polynomials: shares nothing with what is tested. */
function slowCrc(bytes: Uint8Array): number {
  let rest = 0xffffffffn;
  for (const byte of bytes) {
    rest ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) rest = rest & 1n ? (rest >> 1n) ^ 0x82f63b78n : rest >> 1n;
  }
  return Number(rest ^ 0xffffffffn);
}
const unmask = (masked: number): number => {
  const turned = (masked - 0xa282ead8) >>> 0;
  return ((turned << 15) | (turned >>> 17)) >>> 0;
};

interface Decoded {
  readonly step: number;
  readonly version?: string;
  readonly sessionStatus?: number;
  readonly values: Record<string, number>;
}
/** Any protobuf message: its fields by number. */
function message(data: Buffer): Map<number, (number | Buffer)[]> {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = data[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 128) return Number(value);
    }
  };
  while (at < data.length) {
    const key = varint();
    const width = { 0: () => 0, 1: () => 8, 2: varint, 5: () => 4 }[key & 7];
    assert.ok(width, `wire type ${key & 7}`);
    let value: number | Buffer;
    if ((key & 7) === 0) value = varint();
    else {
      const length = width();
      value = data.subarray(at, at + length);
      at += length;
    }
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  assert.equal(at, data.length);
  return fields;
}
/** A whole file, every checksum checked. */
function decode(path: string): Decoded[] {
  const file = readFileSync(path);
  const found: Decoded[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    assert.equal(unmask(file.readUInt32LE(at + 8)), slowCrc(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.equal(unmask(file.readUInt32LE(at + 12 + length)), slowCrc(data));
    at += length + 16;
    const event = message(data);
    const seconds = (event.get(1)![0] as Buffer).readDoubleLE();
    assert.ok(Math.abs(seconds - Date.now() / 1000) < 3600, `${seconds}`);
    const summary = event.has(5) ? message(event.get(5)![0] as Buffer) : new Map<number, Buffer[]>();
    const values = (summary.get(1) ?? []).map(each => {
      const value = message(each as Buffer);
      return [String(value.get(1)![0]), (value.get(2)![0] as Buffer).readFloatLE()] as const;
    });
    found.push({
      step: (event.get(2)?.[0] as number) ?? 0,
      ...(event.has(3) && { version: String(event.get(3)![0]) }),
      ...(event.has(7) && { sessionStatus: message(event.get(7)![0] as Buffer).get(1)![0] as number }),
      values: Object.fromEntries(values),
    });
  }
  return found;
}

describe('crc32c', () => {
  it('should give the values of RFC 3720, appendix B.4 @smoke', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(ascending), 0x46dd794e);
    assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c);
    assert.equal(unmask(maskedCrc(ascending)), 0x46dd794e);
  });
});

describe('records', () => {
  it('should end before the first one that is cut off or damaged', () => {
    const [first, second] = [1, 300].map(step => record(eventBytes(0, { step, values: { 'train/loss': 1 } })));
    const whole = Buffer.concat([first!, second!]);
    const ends = (file: Buffer) => [...records(file)].map(({ end }) => end);
    assert.deepEqual(ends(whole), [first!.length, whole.length]);
    assert.deepEqual(ends(whole.subarray(0, -1)), [first!.length]);
    for (const at of [first!.length, first!.length + 20]) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 1;
      assert.deepEqual(ends(damaged), [first!.length]);
    }
  });
});

describe('train --tensorboard', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let data: string;
  before(async () => {
    folder = await temporaryFolder();
    data = await toyData(join(folder.path, 'toy'));
  });
  after(() => folder.remove());

  const eventFiles = (run: string) =>
    readdirSync(run)
      .filter(name => name.startsWith('events.out.tfevents.'))
      .sort()
      .map(name => join(run, name));
  const agrees = (run: string, decoded: Decoded[]) => {
    type Scalars = { step: number; values: Record<string, number> }[];
    const wanted = metricsOf<Record<string, number> & { event: string }>(run).flatMap(
      ({ event, step, loss, top1, top5, lr, imagesPerSecond }): Scalars => {
        if (event === 'step') {
          return [{ step, values: { 'train/loss': loss, 'train/top1': top1, 'train/lr': lr, 'train/images_per_s': imagesPerSecond } }];
        }
        return event === 'epoch' ? [{ step, values: { 'held_out/loss': loss, 'held_out/top1': top1, 'held_out/top5': top5 } }] : [];
      },
    );
    const rounded = wanted.map(({ step, values }) => ({
      step,
      values: Object.fromEntries(Object.entries(values).map(([tag, value]) => [tag, Math.fround(value)])),
    }));
    assert.deepEqual(
      decoded.filter(({ values }) => Object.keys(values).length > 0),
      rounded,
    );
  };

  it('should write what the metrics say, and go on after --resume without repeating a step @smoke', async () => {
    const run = join(folder.path, 'run');
    const flags = ['--data', data, ...small, '--tensorboard', '--quiet'];
    const first = await millrace('train', ...flags, '--steps', '13', '--out', run);
    assert.deepEqual([first.status, first.stdout, first.stderr], [0, '', '']);
    const [path] = eventFiles(run);
    const before = decode(path!);
    assert.equal(before[0]!.version, 'brain.Event:2');
    assert.deepEqual([before[1]!.sessionStatus, before[1]!.step], [1, 1]);
    agrees(run, before);

    // a process that was killed behind its checkpoint: a step too many, and half of another one
    const extra = record(eventBytes(Date.now() / 1000, { step: 14, values: { 'train/loss': 9 } }));
    writeFileSync(path!, Buffer.concat([readFileSync(path!), extra, extra.subarray(0, 20)]));
    const second = await millrace('train', '--resume', run, '--steps', '20', '--quiet');
    assert.equal(second.status, 0, second.stderr);
    const files = eventFiles(run);
    assert.equal(files.length, 2);
    const after = decode(files[1]!);
    assert.deepEqual([after[1]!.sessionStatus, after[1]!.step], [1, 14], 'a TensorBoard that saw step 14 forgets it');
    agrees(run, files.flatMap(decode));
  });

  it('should fail as the metrics do when the disk is full', function () {
    if (!existsSync('/dev/full')) return this.skip();
    const run = join(folder.path, 'full');
    const events = new TensorBoard();
    const context = { folder: folder.path, start: { step: 0 }, options: { checkpointEvery: 2 } };
    events.begin({ context } as unknown as Prepared);
    const step = { step: 1, loss: 1, top1: 0, lr: 0.1, imagesPerSecond: 5 } as Step;
    events.step(step);
    assert.ok(!existsSync(run) && eventFiles(folder.path).length === 0, 'no file before there is something in it');
    const second = Math.floor(Date.now() / 1000);
    const links = [-1, 0].map(ago => join(folder.path, `events.out.tfevents.${second + ago}.millrace.000000000`));
    for (const link of links) symlinkSync('/dev/full', link);
    assert.throws(
      () => events.step({ ...step, step: 2 }),
      /events\.out\.tfevents\..*: expected a place that can be written, got a full disk\. Free some space/,
    );
    events.abandon();
    for (const link of links) rmSync(link);
  });
});
