import sharp from 'sharp';
import { hash } from '../../../core/random.ts';

/** Samplings that sharp does not write: 45 × 37 pixels at quality 80 by libjpeg-turbo 3. */
export const sampled = {
  '4:2:2': Buffer.from(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/wAARCAAlAC0DASEAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwCzpsXltlxkGtWSAGMvnC15c17x9XUSnIgj9WOfSneW7hmQ8HjFcdWyTuefi/duTQMCwUDBFWxM0Q2nOa8uVLmeh5UpczsYdtGx6/eFaCBtgUnNe7z8zue7WqqMboGXKkAYIoQmJCzHj0qJpNNHl1ajqKxJD87blwKsfZ3Yksa8mUuR2MqsUo3RlhSoyMZpfOCvtXrivQjLmdkb1p+4W4cMxPU46U6WMzjYhxit1GzueZSqO9iBIXifbuyKvCXAw/UV42LV5XR3X5lZGCRK0gxyuelTSLlcxj5u9eo0oO5xVavKuVlizyWAI57mtBgV5YZB6VPtk20jGzjNMThhkDLdqQ7F4PXvXDW1djup1FYx24YkcHpVqGPhQTnd1r0q6XKebN81myeGIZJ79KvR4YYI4HSuClrITk2mhZ1CKDjNQMikDIonGzudmH+A/9k=',
    'base64',
  ),
  '4:4:0': Buffer.from(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAYEBQYFBAYGBQYHBwYIChAKCgkJChQODwwQFxQYGBcUFhYaHSUfGhsjHBYWICwgIyYnKSopGR8tMC0oMCUoKSj/2wBDAQcHBwoIChMKChMoGhYaKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCj/wAARCAAlAC0DARIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwCzpsXltlxkGpbaNj1+8K8yU4s+sdTm6mhJADGXzhaEDbApOazjY5ZVacHqQR+rHPpU7LlSAMEVMo66GM8TCWiIvLdwzIeDxipUJiQsx49KwqU30OGpUb0QsDAsFAwRT4fnbcuBXnzguqJ5JtaMsCZohtOc0fZ3YksazUaa3MH7ujMsKVGRjNViJWkGOVz0r1XGaOhYq25a84K+1euKjkXK5jHzd6IvX3jmq4lS0RfhwzE9TjpUFnksARz3NVKpBHK3NK6LMsZnGxDjFTsCvLDIPSq9pFK6NKVa+jKKQvE+3dkVd4YZAy3auKs1JanVGtfS4olwMP1FNOxeD17157p32LvF7mO3DEjg9KK+jt7p5UZN7lqGPhQTnd1orirGaS5ieGIZJ79KK4Wxyk0y9HhhgjgdKK66S0Cb0FnUIoOM0VM4pvU2w5AyKQMiisbWZ3M//9k=',
    'base64',
  ),
};

/** Waves and some noise, so that all coefficients occur. */
export function photo(width: number, height: number, seed = 0) {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    const wave = 60 * Math.sin((x + 9 * c) / 11) + 50 * Math.cos((y - seed) / (5 + 3 * c)) + 15 * Math.sin(x * y * 0.07);
    pixels[i] = Math.max(0, Math.min(255, 128 + wave + (hash(seed, i, c) % 24)));
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

/**
 * JPEGs of one width and 16 rows each, one below the other, each a restart interval: an interval begins as a scan of its own does.
 * They must have been written with the same tables (`optimiseCoding: false`).
 */
export function stacked(strips: readonly Buffer[]): Buffer {
  const [first] = strips;
  const marker = (file: Buffer, kind: number) => file.findIndex((byte, i) => byte === 0xff && file[i + 1] === kind);
  const data = (file: Buffer) => file.subarray(marker(file, 0xda) + 2 + file.readUInt16BE(marker(file, 0xda) + 2), file.length - 2);
  const head = Buffer.from(first.subarray(0, first.length - 2 - data(first).length));
  const frame = marker(first, 0xc0);
  head.writeUInt16BE(16 * strips.length, frame + 5);
  const units = Math.ceil(first.readUInt16BE(frame + 7) / 16);
  const interval = Buffer.from([0xff, 0xdd, 0, 4, units >> 8, units & 255]);
  const scan = marker(head, 0xda);
  const pieces = strips.flatMap((strip, i) => (i === 0 ? [data(strip)] : [Buffer.from([0xff, 0xd0 + ((i - 1) & 7)]), data(strip)]));
  return Buffer.concat([head.subarray(0, scan), interval, head.subarray(scan), ...pieces, Buffer.from([0xff, 0xd9])]);
}
