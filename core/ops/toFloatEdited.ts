/**
 * `toFloat` of images that are erased and mixed on the way, as a row of `edits` (`core/program/edits.ts`) each says; ops and noise in it are
 * for `toFloat.adjusted`:
 *
 *   e[n,h,w,c] = fill[n,c] in n's erased rectangle, else x[n,h,w,c]
 *   m[n,h,w,c] = e[partner[n],h,w,c] in n's cut rectangle, else share[n] · e[n,h,w,c] + rest[n] · e[partner[n],h,w,c]
 *   y[n,h,w,c] = (m[n,h,w,c] / 255 - mean[c]) · inverse[c]
 *
 * e are bytes; m is not rounded, so that mixing before normalisation is mixing after it, as torchvision's references do, up to float32.
 * x u8 [N,H,W,C], normalization [2,C], edits [N,47 + 2C], y f32.
 */
import type { Kernel, KernelThis } from '../kernels/kernel.ts';
import { editSlot, editsLength } from '../program/edits.ts';
import { elements } from '../shape.ts';
import { pixelThreads } from './channelSums.ts';
import { registerPrimitive } from './registry.ts';
import { toFloatEditedWasm } from './variants/toFloatWasm.ts';

/** x is the channel, y the pixel of an image, z the image. */
function edited(this: KernelThis, x: Float32Array, normalization: Float32Array, edits: Float32Array): number {
  const h = Math.floor(this.thread.y / this.constants.W);
  const w = this.thread.y - h * this.constants.W;
  const mine = this.thread.z * this.constants.length;
  const partner = Math.trunc(edits[mine + this.constants.partner]);
  const theirs = partner * this.constants.length;
  const own = this.thread.y * this.constants.C + this.thread.x;
  let a = x[this.thread.z * this.constants.size + own];
  if (h >= edits[mine + this.constants.erased] && h < edits[mine + this.constants.erased + 2]) {
    if (w >= edits[mine + this.constants.erased + 1] && w < edits[mine + this.constants.erased + 3]) {
      a = edits[mine + this.constants.fill + this.thread.x];
    }
  }
  let b = x[partner * this.constants.size + own];
  if (h >= edits[theirs + this.constants.erased] && h < edits[theirs + this.constants.erased + 2]) {
    if (w >= edits[theirs + this.constants.erased + 1] && w < edits[theirs + this.constants.erased + 3]) {
      b = edits[theirs + this.constants.fill + this.thread.x];
    }
  }
  let m = a * edits[mine + this.constants.share] + b * edits[mine + this.constants.rest];
  if (h >= edits[mine + this.constants.cut] && h < edits[mine + this.constants.cut + 2]) {
    if (w >= edits[mine + this.constants.cut + 1] && w < edits[mine + this.constants.cut + 3]) m = b;
  }
  return (m * this.constants.unit - normalization[this.thread.x]) * normalization[this.constants.C + this.thread.x];
}

registerPrimitive({
  name: 'toFloat.edited',
  cost: (_, [x, normalization, edits], y) => ({
    flops: 10 * elements(y),
    bytes: elements(x) + 4 * (elements(normalization) + elements(edits) + elements(y)),
  }),
  lower({ inputs: [x, normalization, edits], output }) {
    const { threads, area } = pixelThreads(x.shape);
    const [C] = threads;
    const [, , W] = x.shape;
    const kernel: Kernel = {
      name: 'toFloat.edited',
      run: edited,
      threads,
      integers: { C, W, size: C * area, length: editsLength(C), ...editSlot },
      floats: { unit: 1 / 255 },
    };
    return [{ kernel, inputs: [x.name, normalization.name, edits.name], output: output.name }];
  },
  variants: [toFloatEditedWasm],
});
