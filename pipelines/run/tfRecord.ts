/**
 * What TensorBoard reads: a file of records, each `length u64, masked CRC of the length u32, data, masked CRC of the data u32`, little
 * endian (tensorflow/core/lib/io/record_writer.h). The data is an `Event` of tensorflow/core/util/event.proto, written and read here
 * as far as scalars need it:
 *
 *   Event   { 1 wall_time double, 2 step int64, 3 file_version string, 5 summary Summary, 7 session_log SessionLog }
 *   Summary { 1 value repeated Value }    Value { 1 tag string, 2 simple_value float }    SessionLog { 1 status enum, START = 1 }
 */

/** What a file begins with. */
export const fileVersion = 'brain.Event:2';

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli), RFC 3720, appendix B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** As record files keep it: a CRC of data that holds CRCs would be weak. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

export function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(data.length + 16);
  bytes.writeBigUInt64LE(BigInt(data.length));
  bytes.writeUInt32LE(maskedCrc(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return bytes;
}

/** The records of a file from its start, up to the first that is cut off or damaged. `end`: where the next one begins. */
export function* records(file: Buffer): Generator<{ readonly data: Buffer; readonly end: number }> {
  for (let at = 0; at + 16 <= file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    if (file.readUInt32LE(at + 8) !== maskedCrc(file.subarray(at, at + 8))) return;
    const end = at + length + 16;
    if (end > file.length) return;
    const data = file.subarray(at + 12, end - 4);
    if (file.readUInt32LE(end - 4) !== maskedCrc(data)) return;
    yield { data, end };
    at = end;
  }
}

/** One of the three that are needed: a version, values of a step, or the step at which a run begins or goes on. */
export type EventContent =
  | { readonly fileVersion: string }
  | { readonly step: number; readonly values: Readonly<Record<string, number>> }
  | { readonly beginsAt: number };

/** @param wallSeconds since 1970 */
export function eventBytes(wallSeconds: number, content: EventContent): Buffer {
  const wall = Buffer.alloc(9);
  wall[0] = 0x09;
  wall.writeDoubleLE(wallSeconds, 1);
  if ('fileVersion' in content) return Buffer.concat([wall, field(3, Buffer.from(content.fileVersion))]);
  if ('beginsAt' in content) return Buffer.concat([wall, stepField(content.beginsAt), field(7, Buffer.from([0x08, 1]))]);
  const values = Object.entries(content.values).map(([tag, value]) => {
    const simple = Buffer.alloc(5);
    simple[0] = 0x15;
    simple.writeFloatLE(value, 1);
    return field(1, Buffer.concat([field(1, Buffer.from(tag)), simple]));
  });
  return Buffer.concat([wall, stepField(content.step), field(5, Buffer.concat(values))]);
}

/** The step of an event that `eventBytes` wrote; 0 where it has none. */
export function stepOf(event: Buffer): number {
  if (event[9] !== 0x10) return 0;
  let step = 0;
  for (let i = 10, scale = 1; i < event.length; i++, scale *= 128) {
    step += (event[i] & 0x7f) * scale;
    if (event[i] < 0x80) break;
  }
  return step;
}

const stepField = (step: number): Buffer => Buffer.concat([Buffer.from([0x10]), varint(step)]);

/** A string or a message. */
const field = (number: number, data: Buffer): Buffer => Buffer.concat([Buffer.from([8 * number + 2]), varint(data.length), data]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
