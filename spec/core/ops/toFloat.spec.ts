import assert from 'node:assert/strict';
import '../../../core/ops/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { editsName } from '../../../core/program/edits.ts';
import { assertClose } from './finiteDifferences.ts';
import { randomEdits } from './randomEdits.ts';
import { interpret } from './run.ts';

describe('toFloat', () => {
  const shape = [2, 3, 1, 3];
  const build = () => {
    const program = new ProgramBuilder();
    const pixels = program.declare('pixels', 'input', shape, { dtype: 'u8' });
    program.emit('toFloat', 'images', shape, [pixels, program.declare('normalization', 'input', [2, 3])]);
    return program.build();
  };

  it('should normalise bytes per channel', async () => {
    const pixels = Uint8Array.from({ length: 18 }, (_, i) => i * 15);
    const [mean, deviation] = [
      [0.1, 0.5, 0.9],
      [0.2, 0.25, 4],
    ];
    const normalization = [...mean, ...deviation.map(value => 1 / value)];
    const { images } = await interpret({ strict: true })(build(), { pixels, normalization });
    assertClose(
      images,
      Array.from(pixels, (value, i) => (value / 255 - mean[i % 3]) / deviation[i % 3]),
    );
  });

  it('should count a byte for a pixel', () => {
    assert.deepEqual(lower(build(), 'none').nodes[0].cost, { flops: 54, bytes: 18 + 4 * 6 + 4 * 18 });
  });
});

describe('toFloat.edited', () => {
  const [N, H, W, C] = [4, 5, 6, 3];
  const shape = [N, H, W, C];
  const mean = [0.1, 0.5, 0.9];
  const inverse = [5, 4, 0.25];

  it('should erase, mix and normalise, in this order @smoke', async () => {
    const program = new ProgramBuilder();
    const pixels = program.declare('pixels', 'input', shape, { dtype: 'u8' });
    const normalization = program.declare('normalization', 'input', [2, C]);
    const { images, values } = randomEdits(shape, 3);
    const edits = program.declare(editsName, 'input', [N, values.length / N]);
    program.emit('toFloat.edited', 'images', shape, [pixels, normalization, edits]);
    const bytes = Uint8Array.from({ length: N * H * W * C }, (_, i) => (i * 37) % 256);
    const found = await interpret({ strict: true })(program.build(), {
      pixels: bytes,
      normalization: [...mean, ...inverse],
      edits: values,
    });

    const within = (box: readonly number[], h: number, w: number) => h >= box[0] && w >= box[1] && h < box[2] && w < box[3];
    const changed = (n: number, h: number, w: number, c: number): number => {
      const { erased, fill } = images[n];
      if (within(erased, h, w)) return fill[c];
      return bytes[((n * H + h) * W + w) * C + c];
    };
    const expected: number[] = [];
    for (let n = 0; n < N; n++) {
      const { share, partner, cut } = images[n];
      for (let h = 0; h < H; h++) {
        for (let w = 0; w < W; w++) {
          for (let c = 0; c < C; c++) {
            const [own, other] = [changed(n, h, w, c), changed(partner, h, w, c)];
            const value = within(cut, h, w) ? other : share * own + Math.fround(1 - share) * other;
            expected.push((value / 255 - mean[c]) * inverse[c]);
          }
        }
      }
    }
    assertClose(found.images, expected);
  });
});
