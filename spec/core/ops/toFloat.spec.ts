import assert from 'node:assert/strict';
import '../../../core/ops/index.ts';
import { lower } from '../../../core/plan/lower.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { assertClose } from './finiteDifferences.ts';
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
