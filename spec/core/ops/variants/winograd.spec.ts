import assert from 'node:assert/strict';
import type { Device } from '../../../../core/devices/device.ts';
import { openWasm } from '../../../../core/devices/wasm/device.ts';
import { lower } from '../../../../core/plan/lower.ts';
import { normals, uniforms } from '../../../../core/random.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { onDevice } from '../run.ts';

/** A square kernel over [batch, height, width, channels]. */
interface Case {
  readonly kernel: number;
  readonly stride?: number;
  readonly padding: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
  readonly bias?: boolean;
}
const { sqrt } = Math;

function build({ kernel, stride = 1, padding, batch, height, width, channels, filters, bias = false }: Case) {
  const built = opProgram('conv2d', { filters, kernel: [kernel, kernel], stride, padding, bias }, [[batch, height, width, channels]]);
  const values: Record<string, Float32Array> = {};
  Object.values(built.program.tensors).forEach(({ name, kind, shape }, i) => {
    if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
  });
  const compared = [built.output, built.inputGradients[0]!, built.parameterGradients.weight!];
  return { ...built, values, compared };
}
const describeCase = ({ kernel, stride = 1, padding, batch, height, width, channels, filters, bias }: Case) =>
  `${kernel} × ${kernel}, stride ${stride}, padding ${padding}, ${filters} filters${bias ? ' with bias' : ''} on [${[batch, height, width, channels]}]`;

describe('Winograd convolutions', () => {
  const devices: Device[] = [];
  before(async () => {
    for (const threads of [1, 3]) devices.push(await openWasm({ threads }));
  });
  after(() => Promise.all(devices.map(device => device.destroy())));

  /** All tensors of the op's three passes, computed with and without variants. */
  async function agree(each: Case) {
    const { program, values, compared } = build(each);
    const plain = await onDevice(devices[0]!, { variants: false })(program, values);
    for (const device of devices) {
      const tuned = await onDevice(device)(program, values);
      for (const name of compared) {
        const expected = plain[name]!;
        let squares = 0;
        let worst = 0;
        for (let i = 0; i < expected.length; i++) {
          squares += expected[i]! ** 2;
          const error = Math.abs(expected[i]! - tuned[name]![i]!);
          if (!(error <= worst)) worst = error;
        }
        const rms = sqrt(squares / expected.length);
        assert.ok(worst <= 1e-4 * rms, `${name} of ${describeCase(each)} on ${device.description}: off by ${worst}, RMS ${rms}`);
      }
    }
  }

  const nasty: Case[] = [
    { kernel: 3, padding: 1, batch: 2, height: 7, width: 7, channels: 16, filters: 24, bias: true },
    // narrower than a tile, and one output pixel
    { kernel: 3, padding: 0, batch: 1, height: 3, width: 3, channels: 4, filters: 4 },
    { kernel: 3, padding: 1, batch: 3, height: 1, width: 9, channels: 8, filters: 8 },
    // more padding than any window needs: outputs that see nothing but zeros, and inputs' gradients that skip outputs
    { kernel: 3, padding: 3, batch: 2, height: 5, width: 8, channels: 5, filters: 7, bias: true },
    // more than a run of 64 channels, more than four panels of filters, both ragged
    { kernel: 3, padding: 1, batch: 1, height: 6, width: 10, channels: 70, filters: 45, bias: true },
    { kernel: 3, padding: 2, batch: 2, height: 11, width: 6, channels: 33, filters: 67 },
    // several blocks of tiles
    { kernel: 3, padding: 1, batch: 5, height: 16, width: 13, channels: 4, filters: 6, bias: true },
    { kernel: 5, padding: 2, batch: 2, height: 9, width: 7, channels: 16, filters: 24, bias: true },
    { kernel: 5, padding: 0, batch: 1, height: 5, width: 6, channels: 3, filters: 2 },
    { kernel: 5, padding: 5, batch: 2, height: 4, width: 3, channels: 7, filters: 41, bias: true },
    { kernel: 5, padding: 1, batch: 3, height: 12, width: 15, channels: 66, filters: 5 },
    { kernel: 4, padding: 0, batch: 2, height: 15, width: 9, channels: 12, filters: 24, bias: true },
    { kernel: 4, padding: 4, batch: 1, height: 4, width: 5, channels: 7, filters: 41, bias: true },
    { kernel: 4, padding: 2, batch: 3, height: 14, width: 17, channels: 66, filters: 6 },
  ];
  for (const [i, each] of nasty.entries()) {
    it(`should equal the gpu.js kernels: ${describeCase(each)}${i === 0 ? ' @smoke' : ''}`, () => agree(each));
  }

  const strided: Case[] = [
    { kernel: 3, stride: 2, padding: 1, batch: 2, height: 30, width: 24, channels: 16, filters: 20, bias: true },
    // single tiles, and windows that leave the last pixels out
    { kernel: 3, stride: 2, padding: 0, batch: 33, height: 10, width: 9, channels: 32, filters: 4 },
    // windows that see padding alone, on every side
    { kernel: 3, stride: 2, padding: 4, batch: 11, height: 9, width: 16, channels: 64, filters: 7, bias: true },
    // more than a run of 64 channels, more than four panels of filters, both ragged; blocks of tiles that end within six
    { kernel: 3, stride: 2, padding: 1, batch: 41, height: 15, width: 8, channels: 80, filters: 13, bias: true },
    { kernel: 3, stride: 2, padding: 2, batch: 8, height: 21, width: 20, channels: 64, filters: 45 },
    // fewer tiles than filters or channels, and tiles of 3 outputs: in both directions, in one, of odd and of even images
    { kernel: 3, stride: 2, padding: 1, batch: 9, height: 14, width: 13, channels: 64, filters: 131, bias: true },
    { kernel: 3, stride: 2, padding: 0, batch: 11, height: 17, width: 13, channels: 80, filters: 45 },
    { kernel: 3, stride: 2, padding: 2, batch: 22, height: 3, width: 25, channels: 112, filters: 9, bias: true },
    { kernel: 3, stride: 2, padding: 1, batch: 6, height: 20, width: 27, channels: 128, filters: 70 },
  ];
  const chosenStrided = (each: Case) => {
    const variants = lower(build(each).program, 'wasm').nodes.map(({ variant = '' }) => variant);
    return variants.filter(name => name.endsWith('-winograd-stride2'));
  };
  /** What should be chosen: the filters' gradient needs 64 channels. */
  const passes = ({ channels }: Case) =>
    ['conv2d', ...(channels >= 64 ? ['conv2d.filterGradient'] : []), 'conv2d.inputGradient'].map(name => `${name}/wasm-winograd-stride2`);
  for (const [i, each] of strided.entries()) {
    it(`should equal the gpu.js kernels: ${describeCase(each)}${i === 0 ? ' @smoke' : ''}`, async () => {
      assert.deepEqual(chosenStrided(each), passes(each));
      await agree(each);
    });
  }

  it('should equal the gpu.js kernels at random ragged shapes', async () => {
    const next = uniforms(3);
    const upTo = (n: number) => 1 + Math.floor(n * next());
    for (let i = 0; i < 40; i++) {
      const kernel = 3 + (i % 3);
      const [batch, height, width] = [upTo(3), kernel - 1 + upTo(12), kernel - 1 + upTo(12)];
      const [channels, filters] = [upTo(40), upTo(40)];
      await agree({ kernel, padding: upTo(kernel + 1) - 1, batch, height, width, channels, filters, bias: next() < 0.5 });
    }
  }).timeout(20_000);

  it('should equal the gpu.js kernels at random ragged shapes of stride 2', async () => {
    const next = uniforms(4);
    const upTo = (n: number) => 1 + Math.floor(n * next());
    for (let i = 0; i < 12; i++) {
      // outputs that leave little of their tiles, in enough images
      const [P, Q] = [[4, 8, 15, 11][upTo(4) - 1]!, [4, 12, 15][upTo(3) - 1]!];
      const [channels, filters, padding] = [i % 3 ? 16 * upTo(2) : 64, upTo(32), upTo(4) - 1];
      const batch = Math.ceil(Math.max(channels, filters) / (Math.ceil(P / 4) * Math.ceil(Q / 4)));
      const [height, width] = [2 * (P - padding) + upTo(2), 2 * (Q - padding) + upTo(2)];
      const each: Case = { kernel: 3, stride: 2, padding, batch, height, width, channels, filters, bias: next() < 0.5 };
      assert.deepEqual(chosenStrided(each), passes(each));
      await agree(each);
    }
  }).timeout(20_000);

  it('should leave alone strided convolutions it would not speed up: ragged tiles, few tiles, odd channels, exact runs', () => {
    const takes: Case = { kernel: 3, stride: 2, padding: 1, batch: 4, height: 16, width: 16, channels: 16, filters: 16 };
    const others: Partial<Case>[] = [{ height: 14, width: 14 }, { batch: 3 }, { channels: 24 }, { filters: 24 }];
    assert.deepEqual(chosenStrided(takes), passes(takes));
    for (const other of others) assert.deepEqual(chosenStrided({ ...takes, ...other }), [], JSON.stringify(other));
    assert.ok(!lower(build(takes).program, 'wasm', { exact: true }).nodes.some(({ variant = '' }) => variant.includes('winograd')));
  });

  it('should be chosen, and not where exact results were asked for @smoke', () => {
    const chosen = (kernel: number, exact: boolean) => {
      const { program } = build({ kernel, padding: 1, batch: 2, height: 12, width: 12, channels: 16, filters: 16 });
      const variants = lower(program, 'wasm', { exact }).nodes.map(({ variant = '' }) => variant);
      return variants.filter(name => name.includes('winograd'));
    };
    const all = (tile: string) => ['conv2d', 'conv2d.filterGradient', 'conv2d.inputGradient'].map(name => `${name}/wasm-winograd-${tile}`);
    assert.deepEqual([chosen(3, false), chosen(5, false)], [all('4x4'), all('2x2')]);
    assert.deepEqual([chosen(3, true), chosen(5, true)], [[], []]);
  });

  it('should leave alone what it would not speed up: outputs smaller than a tile, one or two channels', () => {
    const chosen = (size: number, channels: number) => {
      const { program } = build({ kernel: 3, padding: 1, batch: 2, height: size, width: size, channels, filters: 16 });
      return lower(program, 'wasm').nodes.some(({ variant = '' }) => variant.includes('winograd'));
    };
    assert.deepEqual([chosen(2, 16), chosen(8, 2), chosen(8, 16)], [false, false, true]);
  });

  /** Layers of ResNet-18 and AlexNet, whole in channels and filters, with fewer images. */
  const layers: Case[] = [
    { kernel: 3, padding: 1, batch: 1, height: 28, width: 28, channels: 128, filters: 128 },
    { kernel: 3, padding: 1, batch: 4, height: 7, width: 7, channels: 512, filters: 512 },
    { kernel: 3, padding: 1, batch: 2, height: 13, width: 13, channels: 384, filters: 256 },
    { kernel: 5, padding: 2, batch: 2, height: 27, width: 27, channels: 64, filters: 192 },
    // what ResNet's first layer becomes
    { kernel: 4, padding: 0, batch: 1, height: 115, width: 115, channels: 12, filters: 64 },
    { kernel: 3, stride: 2, padding: 1, batch: 3, height: 56, width: 56, channels: 64, filters: 128 },
    // in tiles of 4 and of 3 outputs
    { kernel: 3, padding: 1, batch: 2, height: 14, width: 14, channels: 256, filters: 256 },
    { kernel: 3, stride: 2, padding: 1, batch: 8, height: 14, width: 14, channels: 128, filters: 256 },
  ];
  for (const each of layers) {
    it(`should err by less than 1e-4 of the RMS: ${describeCase(each)}`, async () => {
      const { program, compared, inputs, parameters, outputShape } = build(each);
      const shapes = program.tensors;
      const values: Record<string, Float32Array> = {};
      [inputs[0]!, parameters.weight!, 'dy'].forEach((name, i) => {
        const next = normals(i + 1);
        values[name] = Float32Array.from({ length: elements(shapes[name]!.shape) }, next);
      });
      const results = await onDevice(devices[1]!)(program, values);
      const exact = reference(each, outputShape, values[inputs[0]!]!, values[parameters.weight!]!, values.dy!);
      compared.forEach((name, pass) => {
        const got = results[name]!;
        const next = uniforms(pass);
        let squares = 0;
        let worst = 0;
        const samples = pass === 2 ? 200 : 400;
        for (let n = 0; n < samples; n++) {
          const at = Math.floor(next() * got.length);
          const expected = exact[pass]!(at);
          squares += expected ** 2;
          worst = Math.max(worst, Math.abs(got[at]! - expected));
        }
        const error = worst / sqrt(squares / samples);
        // the bound is 1e-4 over all elements; of this few, none comes near
        assert.ok(error < 3e-5, `${name} errs by ${error.toExponential(1)} of its RMS`);
      });
    }).timeout(20_000);
  }
});

/** One element of y, dx and dweight in float64, by its index. */
function reference(
  { kernel, stride = 1, padding, batch, height, width, channels, filters }: Case,
  [, P, Q]: Shape,
  x: Float32Array,
  weight: Float32Array,
  dy: Float32Array,
): ((at: number) => number)[] {
  const inside = (h: number, w: number, H: number, W: number) => h >= 0 && w >= 0 && h < H && w < W;
  const split = (at: number, ...sizes: number[]) =>
    sizes.reduceRight<number[]>((parts, size) => [Math.floor(parts[0]! / size), parts[0]! % size, ...parts.slice(1)], [at]);
  const taps = Array.from({ length: kernel ** 2 }, (_, tap) => [Math.floor(tap / kernel), tap % kernel] as const);
  const pixelOf = (n: number, h: number, w: number) => (n * height + h) * width + w;
  const outputOf = (n: number, p: number, q: number) => (n * P! + p) * Q! + q;
  return [
    at => {
      const [n, p, q, o] = split(at, P!, Q!, filters) as [number, number, number, number];
      let sum = 0;
      taps.forEach(([r, s], tap) => {
        const [h, w] = [stride * p + r - padding, stride * q + s - padding];
        if (!inside(h, w, height, width)) return;
        for (let c = 0; c < channels; c++) sum += x[pixelOf(n, h, w) * channels + c]! * weight[(tap * channels + c) * filters + o]!;
      });
      return sum;
    },
    at => {
      const [n, h, w, c] = split(at, height, width, channels) as [number, number, number, number];
      let sum = 0;
      taps.forEach(([r, s], tap) => {
        const [p, q] = [(h + padding - r) / stride, (w + padding - s) / stride];
        if (!inside(p, q, P!, Q!) || !Number.isInteger(p) || !Number.isInteger(q)) return;
        for (let o = 0; o < filters; o++) sum += dy[outputOf(n, p, q) * filters + o]! * weight[(tap * channels + c) * filters + o]!;
      });
      return sum;
    },
    at => {
      const [tap, c, o] = split(at, channels, filters) as [number, number, number];
      const [r, s] = taps[tap]!;
      let sum = 0;
      for (let n = 0; n < batch; n++) {
        for (let p = 0; p < P!; p++) {
          for (let q = 0; q < Q!; q++) {
            const [h, w] = [stride * p + r - padding, stride * q + s - padding];
            if (inside(h, w, height, width)) sum += x[pixelOf(n, h, w) * channels + c]! * dy[outputOf(n, p, q) * filters + o]!;
          }
        }
      }
      return sum;
    },
  ];
}
