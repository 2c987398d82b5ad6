/**
 * `toFloat.edited` of images whose colours are adjusted and in which noise may be: all that a row of `edits` (`core/program/edits.ts`) says.
 * The bytes between are torchvision's (functional_tensor.py, on uint8 tensors), with its 32-bit floats, its roundings and the fraction cut
 * off after every op; `core/data/augment` does the same on the host:
 *
 *   brightness, saturation, contrast   v ← ⌊factor · v + rest · other⌋ within 0 … 255, rest = 1 - factor, other = 0, grey or mean grey
 *   grey                               ⌊0.2989 red + 0.587 green + 0.114 blue⌋; without colours the value itself
 *   hue                                to HSV (Smith 1978), the angle moved, and back, ⌊255 ·⌋ of each
 *   posterize, solarize, lighting      ⌊v / step⌋ · step;  255 - v from the threshold on;  ⌊v + offset⌋ within 0 … 255
 *   noise                              ⌊deviation · quantile + fill⌋ within 0 … 255, the quantile chosen by 12 bits of a hash
 *
 * A kernel gives one number a thread, and all three values of a pixel are needed at once: they are packed into one float,
 * 65536 · red + 256 · green + blue. Ops before a contrast go first, then the mean of the grey is known and the others follow.
 * x u8 [N,H,W,C] with C 1 or 3, normalization [2,C], edits [N,47 + 2C], quantiles [4096], y f32.
 */
import { fail } from '../errors.ts';
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { deviationSlot, editSlot, editsLength, mostOps, opKind, opLength } from '../program/edits.ts';
import { elements } from '../shape.ts';
import type { LowerContext } from './op.ts';
import { registerPrimitive } from './registry.ts';
import { toFloatAdjustedWasm } from './variants/toFloatWasm.ts';

/** x is the pixel, y the image. Grey is red, green and blue. */
function packed(this: KernelThis, x: Float32Array): number {
  const at = (this.thread.y * this.constants.area + this.thread.x) * this.constants.C;
  return x[at] * 65536.0 + x[at + this.constants.green] * 256.0 + x[at + this.constants.blue];
}

/** The ops before the contrast, or those from it on. `means` is read by the latter. */
function adjusted(this: KernelThis, pixels: Float32Array, edits: Float32Array, means: Float32Array): number {
  const all = pixels[this.thread.y * this.constants.area + this.thread.x];
  let red = Math.floor(all * 0.0000152587890625);
  let green = Math.floor(all * 0.00390625);
  let blue = all - 256.0 * green;
  green = green - 256.0 * red;
  let late = 0.0;
  for (let i = 0; i < this.constants.mostOps; i++) {
    const at = this.thread.y * this.constants.length + this.constants.ops + i * this.constants.opLength;
    const kind = edits[at];
    if (kind === this.constants.contrast) late = 1.0;
    if (kind > 0 && late === this.constants.late) {
      if (kind <= this.constants.contrast) {
        let other = 0.0;
        if (kind === this.constants.saturation) {
          const warm = Math.fround(Math.fround(this.constants.redShare * red) + Math.fround(this.constants.greenShare * green));
          other = Math.floor(Math.fround(warm + Math.fround(this.constants.blueShare * blue)));
        }
        if (kind === this.constants.contrast) other = means[this.thread.y];
        const offset = Math.fround(edits[at + 2] * other);
        red = Math.min(Math.max(Math.floor(Math.fround(Math.fround(edits[at + 1] * red) + offset)), 0.0), 255.0);
        green = Math.min(Math.max(Math.floor(Math.fround(Math.fround(edits[at + 1] * green) + offset)), 0.0), 255.0);
        blue = Math.min(Math.max(Math.floor(Math.fround(Math.fround(edits[at + 1] * blue) + offset)), 0.0), 255.0);
      }
      if (kind === this.constants.hue) {
        const r = Math.fround(red / 255.0);
        const g = Math.fround(green / 255.0);
        const b = Math.fround(blue / 255.0);
        const value = Math.max(Math.max(r, g), b);
        const range = Math.fround(value - Math.min(Math.min(r, g), b));
        let divisor = range;
        if (range <= 0) divisor = 1.0;
        const fromRed = Math.fround(Math.fround(value - r) / divisor);
        const fromGreen = Math.fround(Math.fround(value - g) / divisor);
        const fromBlue = Math.fround(Math.fround(value - b) / divisor);
        // sixths of a turn
        let sextant = Math.fround(Math.fround(4.0 + fromGreen) - fromRed);
        if (g >= value) sextant = Math.fround(Math.fround(2.0 + fromRed) - fromBlue);
        if (r >= value) sextant = Math.fround(fromBlue - fromGreen);
        let angle = Math.fround(Math.fround(sextant / 6.0) + 1.0);
        angle = angle - Math.floor(angle);
        angle = Math.fround(angle + edits[at + 1]);
        if (angle >= 1) angle = angle - 1.0;
        if (angle < 0) angle = Math.fround(angle + 1.0);
        let bright = value;
        if (value <= 0) bright = 1.0;
        const strength = Math.fround(range / bright);
        const sixths = Math.fround(angle * 6.0);
        let sector = Math.floor(sixths);
        const part = sixths - sector;
        if (sector >= 6) sector = 0.0;
        const weak = Math.fround(value * Math.fround(1.0 - strength));
        const down = Math.fround(value * Math.fround(1.0 - Math.fround(strength * part)));
        const up = Math.fround(value * Math.fround(1.0 - Math.fround(strength * Math.fround(1.0 - part))));
        const high = Math.floor(Math.fround(Math.min(Math.max(value, 0.0), 1.0) * 255.0));
        const low = Math.floor(Math.fround(Math.min(Math.max(weak, 0.0), 1.0) * 255.0));
        const falling = Math.floor(Math.fround(Math.min(Math.max(down, 0.0), 1.0) * 255.0));
        const rising = Math.floor(Math.fround(Math.min(Math.max(up, 0.0), 1.0) * 255.0));
        red = high;
        green = low;
        blue = low;
        if (sector === 0) green = rising;
        if (sector === 1) red = falling;
        if (sector === 1 || sector === 2) green = high;
        if (sector === 2 || sector === 3) red = low;
        if (sector === 2) blue = rising;
        if (sector === 3) green = falling;
        if (sector === 3 || sector === 4) blue = high;
        if (sector === 4) red = rising;
        if (sector === 5) blue = falling;
      }
      if (kind === this.constants.posterize) {
        red = Math.floor(red * edits[at + 2]) * edits[at + 1];
        green = Math.floor(green * edits[at + 2]) * edits[at + 1];
        blue = Math.floor(blue * edits[at + 2]) * edits[at + 1];
      }
      if (kind === this.constants.solarize) {
        if (red >= edits[at + 1]) red = 255.0 - red;
        if (green >= edits[at + 1]) green = 255.0 - green;
        if (blue >= edits[at + 1]) blue = 255.0 - blue;
      }
      if (kind === this.constants.lighting) {
        red = Math.min(Math.max(Math.floor(Math.fround(red + edits[at + 1])), 0.0), 255.0);
        green = Math.min(Math.max(Math.floor(Math.fround(green + edits[at + 2])), 0.0), 255.0);
        blue = Math.min(Math.max(Math.floor(Math.fround(blue + edits[at + 3])), 0.0), 255.0);
      }
    }
  }
  return red * 65536.0 + green * 256.0 + blue;
}

/** Of the grey: x is the column, y the image. Whole numbers below 2^24. */
function columnSums(this: KernelThis, pixels: Float32Array): number {
  let sum = 0.0;
  for (let h = 0; h < this.constants.H; h++) {
    const all = pixels[(this.thread.y * this.constants.H + h) * this.constants.W + this.thread.x];
    const red = Math.floor(all * 0.0000152587890625);
    const both = Math.floor(all * 0.00390625);
    const warm = Math.fround(Math.fround(this.constants.redShare * red) + Math.fround(this.constants.greenShare * (both - 256.0 * red)));
    sum += Math.floor(Math.fround(warm + Math.fround(this.constants.blueShare * (all - 256.0 * both))));
  }
  return sum;
}

/** x is the image. The sum is kept in two parts, so that it is exact until it is rounded. */
function means(this: KernelThis, sums: Float32Array): number {
  let upper = 0.0;
  let lower = 0.0;
  for (let w = 0; w < this.constants.W; w++) {
    const sum = sums[this.thread.x * this.constants.W + w];
    const over = Math.floor(sum * 0.0000152587890625);
    lower = lower + (sum - 65536.0 * over);
    const carried = Math.floor(lower * 0.0000152587890625);
    lower = lower - 65536.0 * carried;
    upper = upper + over + carried;
  }
  return Math.fround(Math.fround(65536.0 * upper + lower) / this.constants.pixels);
}

/** Constants, or noise: bits as `core/ops/dropout.ts` makes them, the image's keys and half the value's place hashed in four rounds. */
function erased(this: KernelThis, pixels: Float32Array, edits: Float32Array, quantiles: Float32Array): number {
  const row = this.thread.y * this.constants.length;
  const h = Math.floor(this.thread.x / this.constants.W);
  const w = this.thread.x - h * this.constants.W;
  let all = pixels[this.thread.y * this.constants.area + this.thread.x];
  const top = row + this.constants.erased;
  if (h >= edits[top] && w >= edits[top + 1] && h < edits[top + 2] && w < edits[top + 3]) {
    all = 0.0;
    for (let i = 0; i < 3; i++) {
      const c = Math.min(i, this.constants.last);
      const deviation = edits[row + this.constants.deviation + c];
      let value = edits[row + this.constants.fill + c];
      if (deviation > 0) {
        const at = this.thread.x * this.constants.C + c;
        const pair = Math.floor(at / 2);
        const isSecond = at - pair * 2;
        const pairUpper = Math.floor(pair / 65536);
        const pairLower = pair - pairUpper * 65536;
        let upper = 0.0;
        let lower = 0.0;
        for (let round = 0; round < 4; round++) {
          let wordUpper = edits[row + this.constants.noise];
          let wordLower = edits[row + this.constants.noise + 1];
          if (round === 0) {
            upper = pairUpper;
            lower = pairLower;
          }
          if (round === 1 || round === 3) {
            wordUpper = edits[row + this.constants.noise + 2];
            wordLower = edits[row + this.constants.noise + 3];
          }
          lower = lower + wordLower;
          const carried = Math.floor(lower * 0.0000152587890625);
          lower = lower - 65536.0 * carried;
          upper = upper + wordUpper + carried;
          upper = upper - 65536.0 * Math.floor(upper * 0.0000152587890625);
          // 2x + 1
          let twiceLower = 2.0 * lower + 1.0;
          const over = Math.floor(twiceLower * 0.0000152587890625);
          twiceLower = twiceLower - 65536.0 * over;
          let twiceUpper = 2.0 * upper + over;
          twiceUpper = twiceUpper - 65536.0 * Math.floor(twiceUpper * 0.0000152587890625);
          // the lower halves' product has 32 bits, of those with an upper half only the last 16 count
          const b = Math.floor(lower * 0.00390625);
          const a = lower - 256.0 * b;
          const d = Math.floor(upper * 0.00390625);
          const f = upper - 256.0 * d;
          const far = b * twiceLower;
          const farUpper = Math.floor(far * 0.00390625);
          const near = a * twiceLower + 256.0 * (far - 256.0 * farUpper);
          const nearUpper = Math.floor(near * 0.0000152587890625);
          const left = a * twiceUpper;
          const leftFar = b * twiceUpper;
          const right = f * twiceLower;
          const rightFar = d * twiceLower;
          let product = nearUpper + farUpper;
          product = product + (left - 65536.0 * Math.floor(left * 0.0000152587890625));
          product = product + 256.0 * (leftFar - 256.0 * Math.floor(leftFar * 0.00390625));
          product = product + (right - 65536.0 * Math.floor(right * 0.0000152587890625));
          product = product + 256.0 * (rightFar - 256.0 * Math.floor(rightFar * 0.00390625));
          upper = near - 65536.0 * nearUpper;
          lower = product - 65536.0 * Math.floor(product * 0.0000152587890625);
        }
        let bits = upper;
        if (isSecond > 0) bits = lower;
        const place = Math.trunc(bits * 0.0625);
        value = Math.fround(Math.fround(deviation * quantiles[place]) + value);
      }
      all = all * 256.0 + Math.min(Math.max(Math.floor(value), 0.0), 255.0);
    }
  }
  return all;
}

/** As `toFloat.edited`, of packed pixels that are erased already. x is the channel, y the pixel of an image, z the image. */
function mixed(this: KernelThis, pixels: Float32Array, normalization: Float32Array, edits: Float32Array): number {
  const mine = this.thread.z * this.constants.length;
  const partner = Math.trunc(edits[mine + this.constants.partner]);
  const own = pixels[this.thread.z * this.constants.area + this.thread.y];
  const other = pixels[partner * this.constants.area + this.thread.y];
  let a = Math.floor(own * 0.0000152587890625);
  let b = Math.floor(other * 0.0000152587890625);
  if (this.thread.x === 1) {
    a = Math.floor(own * 0.00390625) - 256.0 * a;
    b = Math.floor(other * 0.00390625) - 256.0 * b;
  }
  if (this.thread.x === 2) {
    a = own - 256.0 * Math.floor(own * 0.00390625);
    b = other - 256.0 * Math.floor(other * 0.00390625);
  }
  const h = Math.floor(this.thread.y / this.constants.W);
  const w = this.thread.y - h * this.constants.W;
  let m = a * edits[mine + this.constants.share] + b * edits[mine + this.constants.rest];
  if (h >= edits[mine + this.constants.cut] && h < edits[mine + this.constants.cut + 2]) {
    if (w >= edits[mine + this.constants.cut + 1] && w < edits[mine + this.constants.cut + 3]) m = b;
  }
  return (m * this.constants.unit - normalization[this.thread.x]) * normalization[this.constants.C + this.thread.x];
}

registerPrimitive({
  name: 'toFloat.adjusted',
  // an op of the usual ones, which is brightness or the like, and a third of them hue
  cost: (_, [x, normalization, edits, quantiles], y) => ({
    flops: 40 * elements(y),
    bytes: elements(x) + 4 * (elements(normalization) + elements(edits) + elements(quantiles) + elements(y)),
  }),
  lower({ inputs: [x, normalization, edits, quantiles], output, scratch }: LowerContext<unknown>) {
    const [N, H, W, C] = x.shape;
    if (C !== 1 && C !== 3) throw fail('state', 'toFloat.adjusted', 'images of 1 or 3 channels', `${C}`, 'Use toFloat.edited.');
    const area = H * W;
    const pixels = scratch([N, area]);
    const sums = scratch([N, W]);
    const mean = scratch([N]);
    const row = { length: editsLength(C), ...editSlot, deviation: deviationSlot(C) };
    const shares = C === 3 ? [0.2989, 0.587, 0.114].map(Math.fround) : [1, 0, 0];
    const grey = { redShare: shares[0], greenShare: shares[1], blueShare: shares[2] };
    const name = (part: string) => `toFloat.adjusted ${part}`;
    const adjust = (late: 0 | 1): Kernel => ({
      name: name(late ? 'from contrast on' : 'before contrast'),
      run: adjusted,
      threads: [area, N],
      integers: { area, mostOps, opLength, length: row.length, ops: row.ops },
      floats: { ...opKind, ...grey, late },
      inout: 'pixels',
    });
    const integers = { area, W, C, ...row };
    const kernels: [Kernel, inputs: string[], output: string][] = [
      [
        {
          name: name('pixels'),
          run: packed,
          threads: [area, N],
          integers: { area, C, green: C === 3 ? 1 : 0, blue: C === 3 ? 2 : 0 },
        },
        [x.name],
        pixels.name,
      ],
      [adjust(0), [pixels.name, edits.name, mean.name], pixels.name],
      [{ name: name('sums'), run: columnSums, threads: [W, N], integers: { H, W }, floats: grey }, [pixels.name], sums.name],
      [{ name: name('means'), run: means, threads: [N], integers: { W }, floats: { pixels: area } }, [sums.name], mean.name],
      [adjust(1), [pixels.name, edits.name, mean.name], pixels.name],
      [
        { name: name('rectangles'), run: erased, threads: [area, N], integers: { ...integers, last: C - 1 }, inout: 'pixels' },
        [pixels.name, edits.name, quantiles.name],
        pixels.name,
      ],
      [
        { name: name('mixtures'), run: mixed, threads: [C, area, N], integers, floats: { unit: 1 / 255 } },
        [pixels.name, normalization.name, edits.name],
        output.name,
      ],
    ];
    return kernels.map(([kernel, inputs, written]) => ({ kernel, inputs, output: written }));
  },
  variants: [toFloatAdjustedWasm],
});
