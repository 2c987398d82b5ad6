import assert from 'node:assert/strict';
import { normalQuantiles } from '../../../core/data/augment/noise.ts';
import { isDeviceOp } from '../../../core/data/augment/pixelOp.ts';
import { editPixels, mostDeviceOps, type PixelEdit } from '../../../core/data/pixelEdit.ts';
import type { RawPixels } from '../../../core/data/rawPixels.ts';
import type { Device } from '../../../core/devices/device.ts';
import { openWasm } from '../../../core/devices/wasm/device.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { editsLength, editsName, mostOps, quantilesLength, quantilesName } from '../../../core/program/edits.ts';
import { hash } from '../../../core/random.ts';
import { fillEdits } from '../../../core/training/batchEdits.ts';
import { torchvisionFixtures } from '../data/augment/torchvision.ts';
import { everyDevice } from '../devices/everyDevice.ts';
import { randomPixelEdits } from './adjustments.ts';
import { interpret, onDevice, type Runner } from './run.ts';

const fixtures = torchvisionFixtures();

/** The bytes of images with their edits as the device has them before it normalises: normalisation is undone. */
async function bytesOn(run: Runner, images: readonly RawPixels[], edits: readonly (PixelEdit | undefined)[]): Promise<Uint8Array[]> {
  const [{ height, width, channels }] = images as [RawPixels];
  const N = images.length;
  const shape = [N, height, width, channels];
  const program = new ProgramBuilder();
  const inputs = [
    program.declare('pixels', 'input', shape, { dtype: 'u8' }),
    program.declare('normalization', 'input', [2, channels]),
    program.declare(editsName, 'input', [N, editsLength(channels)]),
    program.declare(quantilesName, 'input', [quantilesLength]),
  ];
  program.emit('toFloat.adjusted', 'images', shape, inputs);
  const rows = new Float32Array(N * editsLength(channels));
  fillEdits(rows, { edits, count: N, channels });
  const size = height * width * channels;
  const pixels = new Uint8Array(N * size);
  for (const [i, { data }] of images.entries()) pixels.set(data, i * size);
  const normalization = [...new Array(channels).fill(0), ...new Array(channels).fill(255)];
  const got = await run(program.build(), { pixels, normalization, [editsName]: rows, [quantilesName]: normalQuantiles() });
  const values = Array.from(got.images!);
  const odd = values.find(value => !(Math.abs(value - Math.round(value)) < 1e-3));
  assert.equal(odd, undefined, `${odd} is no byte`);
  return images.map((_, i) => Uint8Array.from(values.slice(i * size, (i + 1) * size), Math.round));
}

const noisy = (height: number, width: number, channels: number, seed: number): RawPixels => ({
  data: Uint8Array.from({ length: height * width * channels }, (_, i) => hash(seed, i) & 255),
  height,
  width,
  channels,
});

describe('toFloat.adjusted', () => {
  it('should have room for what is left to the device', () => assert.equal(mostOps, mostDeviceOps));

  it('should read nothing outside of its tensors', async () => {
    const images = [1, 2, 3, 4, 5].map(seed => noisy(3, 5, 3, seed));
    const edits = randomPixelEdits(5, images[0]!, 3);
    const got = await bytesOn(interpret({ precision: Float32Array, strict: true }), images, edits);
    assert.deepEqual(
      got,
      images.map((image, i) => editPixels(image, edits[i]).data),
    );
  });

  it('should refuse images of two channels', async () => {
    await assert.rejects(
      bytesOn(interpret(), [noisy(2, 2, 2, 1)], [undefined]),
      /toFloat\.adjusted: expected images of 1 or 3 channels, got 2\. Use toFloat\.edited\./,
    );
  });

  const ways = everyDevice
    .filter(({ name }) => !/[23] threads/.test(name))
    .flatMap(way => (way.name.startsWith('wasm') ? [way, { ...way, name: `${way.name}, its own routine` }] : [way]));
  for (const { name, open } of ways) {
    describe(`on ${name}`, () => {
      let device: Device;
      let run: Runner;
      before(async function () {
        device = await open(this);
        run = onDevice(device, { variants: name.endsWith('routine') });
      });
      after(() => device?.destroy());

      it('should give the bytes that torchvision gives @smoke', async () => {
        for (const kind of ['colour', 'grey'] as const) {
          const cases = fixtures.cases.flatMap(({ image, transform, expected }) =>
            image === kind && transform.kind === 'pixels' && isDeviceOp(transform.ops[0]!) ? [{ ops: [transform.ops[0]], expected }] : [],
          );
          assert.ok(cases.length > 25, `${cases.length}`);
          const got = await bytesOn(
            run,
            cases.map(() => fixtures.images[kind]),
            cases,
          );
          for (const [i, { ops, expected }] of cases.entries()) assert.deepEqual(got[i], expected, `${JSON.stringify(ops)}, ${kind}`);
        }
      });

      it('should give the bytes of the host for any ops one after the other, rectangles and noise', async () => {
        for (const [seed, [height, width, channels]] of [
          [16, 33, 3],
          [40, 16, 3],
          [9, 7, 1],
          [1, 1, 3],
        ].entries()) {
          const images = Array.from({ length: 12 }, (_, i) => noisy(height!, width!, channels!, 100 * seed + i));
          const edits = randomPixelEdits(images.length, images[0]!, seed);
          const got = await bytesOn(run, images, edits);
          for (const [i, image] of images.entries()) assert.deepEqual(got[i], editPixels(image, edits[i]).data, JSON.stringify(edits[i]));
        }
      });
    });
  }

  it('should count its sums exactly where they are above what 32-bit floats hold', async () => {
    const image = { data: new Uint8Array(270 * 260 * 3).fill(255), height: 270, width: 260, channels: 3 };
    image.data[0] = 7;
    const edits = [{ ops: [{ op: 'contrast', factor: 0.3 }] as const }];
    const device = await openWasm({ threads: 2 });
    for (const variants of [false, true]) {
      const [got] = await bytesOn(onDevice(device, { variants }), [image], edits);
      assert.ok(Buffer.from(got!).equals(editPixels(image, edits[0]).data), `variants: ${variants}`);
    }
    await device.destroy();
  });
});
