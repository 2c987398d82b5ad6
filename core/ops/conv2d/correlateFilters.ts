/**
 * The gradient of a convolution's filters, and of a linear layer's weight:
 *
 *   dweight[r,s,c,o] = Σ_{n,p,q} x[n, p·stride + r·dilation, q·stride + s·dilation, c] · dy[n,p,q,o]
 *
 * A first kernel sums over chunks of the output's pixels, enough chunks to keep many threads busy and the sums short (which
 * float32 likes); a second one adds the chunks. The input must not need padding (see `rearrange.ts`).
 */
import type { Kernel, KernelThis, Launch, Quad } from '../../kernels/kernel.ts';
import type { LowerContext } from '../op.ts';
import type { Correlation } from './correlate.ts';

/** Pixels that one chunk sums, about. */
const chunkPixels = 1024;
/** Elements that all chunks' partial sums may take together, unless one chunk takes more. */
const partialElements = 2 ** 22;

/**
 * partial[group, chunk, k, o]; x is o within the group, y counts quads of k = (r·S + s)·C/g + c, z is group · chunks + chunk.
 * A chunk is either some whole images or some lines of one. For channels in fours the quad has one (r,s).
 */
function correlateFilters(this: KernelThis, x: Float32Array, dy: Float32Array): Quad {
  const k = this.thread.y * 4;
  const t = Math.floor(k / this.constants.channels);
  const r = Math.floor(t / this.constants.S);
  const group = Math.floor(this.thread.z / this.constants.chunks);
  const chunk = this.thread.z - group * this.constants.chunks;
  const part = Math.floor(chunk / this.constants.pieces);
  const firstImage = part * this.constants.images;
  const firstLine = (chunk - part * this.constants.pieces) * this.constants.share;
  const a =
    r * this.constants.rowStep +
    (t - r * this.constants.S) * this.constants.tapStep +
    (k - t * this.constants.channels) +
    group * this.constants.channels;
  const filter = group * this.constants.filters + this.thread.x;
  let wa = 0.0;
  let wb = 0.0;
  let wc = 0.0;
  let wd = 0.0;
  for (let i = 0; i < this.constants.images; i++) {
    for (let l = 0; l < this.constants.share; l++) {
      const n = firstImage + i;
      const p = firstLine + l;
      if (n < this.constants.N && p < this.constants.P) {
        const la = a + n * this.constants.image + p * this.constants.down;
        const from = (n * this.constants.P + p) * this.constants.Q * this.constants.O + filter;
        for (let q = 0; q < this.constants.Q; q++) {
          const g = dy[from + q * this.constants.O];
          wa += x[la + q * this.constants.right] * g;
          wb += x[la + q * this.constants.right + 1] * g;
          wc += x[la + q * this.constants.right + 2] * g;
          wd += x[la + q * this.constants.right + 3] * g;
        }
      }
    }
  }
  return [wa, wb, wc, wd];
}

/** The same for any number of channels: each of the four weights has its own (r,s). */
function correlateFiltersAny(this: KernelThis, x: Float32Array, dy: Float32Array): Quad {
  // rows past the last weight repeat it; they are not stored
  const ka = Math.min(this.thread.y * 4, this.constants.K - 1);
  const kb = Math.min(this.thread.y * 4 + 1, this.constants.K - 1);
  const kc = Math.min(this.thread.y * 4 + 2, this.constants.K - 1);
  const kd = Math.min(this.thread.y * 4 + 3, this.constants.K - 1);
  const ta = Math.floor(ka / this.constants.channels);
  const tb = Math.floor(kb / this.constants.channels);
  const tc = Math.floor(kc / this.constants.channels);
  const td = Math.floor(kd / this.constants.channels);
  const ra = Math.floor(ta / this.constants.S);
  const rb = Math.floor(tb / this.constants.S);
  const rc = Math.floor(tc / this.constants.S);
  const rd = Math.floor(td / this.constants.S);
  const group = Math.floor(this.thread.z / this.constants.chunks);
  const chunk = this.thread.z - group * this.constants.chunks;
  const part = Math.floor(chunk / this.constants.pieces);
  const firstImage = part * this.constants.images;
  const firstLine = (chunk - part * this.constants.pieces) * this.constants.share;
  // place(k) = r·rowStep + s·tapStep + c, with the products of the divisions gathered
  const whole = this.constants.rowStep - this.constants.S * this.constants.tapStep;
  const tap = this.constants.tapStep - this.constants.channels;
  const channel = group * this.constants.channels;
  const a = ra * whole + ta * tap + ka + channel;
  const b = rb * whole + tb * tap + kb + channel;
  const c = rc * whole + tc * tap + kc + channel;
  const d = rd * whole + td * tap + kd + channel;
  const filter = group * this.constants.filters + this.thread.x;
  let wa = 0.0;
  let wb = 0.0;
  let wc = 0.0;
  let wd = 0.0;
  for (let i = 0; i < this.constants.images; i++) {
    for (let l = 0; l < this.constants.share; l++) {
      const n = firstImage + i;
      const p = firstLine + l;
      if (n < this.constants.N && p < this.constants.P) {
        const at = n * this.constants.image + p * this.constants.down;
        const la = a + at;
        const lb = b + at;
        const lc = c + at;
        const ld = d + at;
        const from = (n * this.constants.P + p) * this.constants.Q * this.constants.O + filter;
        for (let q = 0; q < this.constants.Q; q++) {
          const g = dy[from + q * this.constants.O];
          wa += x[la + q * this.constants.right] * g;
          wb += x[lb + q * this.constants.right] * g;
          wc += x[lc + q * this.constants.right] * g;
          wd += x[ld + q * this.constants.right] * g;
        }
      }
    }
  }
  return [wa, wb, wc, wd];
}

/** dweight[k, o] = Σ_chunk partial[group, chunk, k, o]; x is o within the group, y is k·groups + group. */
function addChunks(this: KernelThis, partial: Float32Array): number {
  const k = Math.floor(this.thread.y / this.constants.groups);
  const group = this.thread.y - k * this.constants.groups;
  let sum = 0.0;
  for (let i = 0; i < this.constants.chunks; i++) {
    sum += partial[((group * this.constants.chunks + i) * this.constants.K + k) * this.constants.filters + this.thread.x];
  }
  return sum;
}

/** The launches from an unpadded input `x` and `dy` to the context's output. */
export function filterCorrelation(
  name: string,
  { input, output, kernel, stride, dilation, groups }: Correlation,
  x: string,
  dy: string,
  context: Pick<LowerContext<unknown>, 'output' | 'scratch'>,
): Launch[] {
  const [, height, width, C] = input;
  const [N, P, Q, O] = output;
  const [R, S] = kernel;
  const channels = C / groups;
  const filters = O / groups;
  const K = R * S * channels;
  const most = Math.max(1, Math.floor(partialElements / (K * O)));
  const pixels = P * Q;
  // whole images while one has fewer pixels than a chunk, else lines of one image
  const images = Math.max(Math.ceil(N / most), Math.min(N, Math.floor(chunkPixels / pixels) || 1));
  const parts = Math.ceil(N / images);
  const wanted = images > 1 ? 1 : Math.min(P, Math.ceil(pixels / chunkPixels), Math.max(1, Math.floor(most / parts)));
  const share = Math.ceil(P / wanted);
  const pieces = Math.ceil(P / share);
  const chunks = parts * pieces;
  const integers = {
    K,
    N,
    O,
    P,
    Q,
    S,
    images,
    share,
    pieces,
    chunks,
    channels,
    filters,
    rowStep: dilation * width * C,
    tapStep: dilation * C,
    image: height * width * C,
    down: stride * width * C,
    right: stride * C,
  };
  const threads = [filters, Math.ceil(K / 4), groups * chunks] as const;
  const partial: Kernel = { name, run: channels % 4 === 0 ? correlateFilters : correlateFiltersAny, threads, rows: K, integers };
  if (groups * chunks === 1) return [{ kernel: partial, inputs: [x, dy], output: context.output.name }];
  const sums = context.scratch([groups * chunks, K, filters]);
  const total: Kernel = { name: `${name}.sum`, run: addChunks, threads: [filters, K * groups], integers: { K, groups, chunks, filters } };
  return [
    { kernel: partial, inputs: [x, dy], output: sums.name },
    { kernel: total, inputs: [sums.name], output: context.output.name },
  ];
}
