/**
 * The gradient of a convolution's filters, and of a linear layer's weight:
 *
 *   dweight[r,s,c,o] = Σ_{n,p,q} x[n, p·stride + r·dilation, q·stride + s·dilation, c] · dy[n,p,q,o]
 *
 * A first kernel sums over chunks of the output's lines, enough chunks to keep many threads busy and the sums short (which
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
 * A chunk is `share` lines of the N·P lines of Q output pixels.
 */
function correlateFilters(this: KernelThis, x: Float32Array, dy: Float32Array): Quad {
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
  const first = (this.thread.z - group * this.constants.chunks) * this.constants.share;
  const channel = group * this.constants.channels;
  const a =
    ra * this.constants.rowStep + (ta - ra * this.constants.S) * this.constants.tapStep + (ka - ta * this.constants.channels) + channel;
  const b =
    rb * this.constants.rowStep + (tb - rb * this.constants.S) * this.constants.tapStep + (kb - tb * this.constants.channels) + channel;
  const c =
    rc * this.constants.rowStep + (tc - rc * this.constants.S) * this.constants.tapStep + (kc - tc * this.constants.channels) + channel;
  const d =
    rd * this.constants.rowStep + (td - rd * this.constants.S) * this.constants.tapStep + (kd - td * this.constants.channels) + channel;
  const filter = group * this.constants.filters + this.thread.x;
  let wa = 0.0;
  let wb = 0.0;
  let wc = 0.0;
  let wd = 0.0;
  for (let l = 0; l < this.constants.share; l++) {
    const line = first + l;
    if (line < this.constants.lines) {
      const n = Math.floor(line / this.constants.P);
      const at = n * this.constants.image + (line - n * this.constants.P) * this.constants.down;
      const la = a + at;
      const lb = b + at;
      const lc = c + at;
      const ld = d + at;
      const from = line * this.constants.Q * this.constants.O + filter;
      for (let q = 0; q < this.constants.Q; q++) {
        const g = dy[from + q * this.constants.O];
        wa += x[la + q * this.constants.right] * g;
        wb += x[lb + q * this.constants.right] * g;
        wc += x[lc + q * this.constants.right] * g;
        wd += x[ld + q * this.constants.right] * g;
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
  const lines = N * P;
  const wanted = Math.min(Math.ceil((lines * Q) / chunkPixels), Math.max(1, Math.floor(partialElements / (K * O))), lines);
  const share = Math.ceil(lines / wanted);
  const chunks = Math.ceil(lines / share);
  const integers = {
    K,
    O,
    P,
    Q,
    S,
    lines,
    share,
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
  const partial: Kernel = { name, run: correlateFilters, threads, rows: K, integers };
  if (groups * chunks === 1) return [{ kernel: partial, inputs: [x, dy], output: context.output.name }];
  const sums = context.scratch([groups * chunks, K, filters]);
  const total: Kernel = { name: `${name}.sum`, run: addChunks, threads: [filters, K * groups], integers: { K, groups, chunks, filters } };
  return [
    { kernel: partial, inputs: [x, dy], output: sums.name },
    { kernel: total, inputs: [sums.name], output: context.output.name },
  ];
}
