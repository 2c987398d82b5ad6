import assert from 'node:assert/strict';
import { mixPixels } from '../../../core/data/mixture.ts';
import { hash } from '../../../core/random.ts';

describe('mixPixels', () => {
  const size = { width: 4, channels: 3 };
  const cells = [0, 1].map(i => Uint8Array.from({ length: 36 }, (_, p) => hash(i, p) & 255));

  it('should blend each value to the nearest byte', () => {
    for (const share of [0, 0.123, 0.5, 0.99, 1]) {
      const out = new Uint8Array(36);
      mixPixels(out, cells[0], cells[1], { shares: Float32Array.of(share, share) }, 0, size);
      for (let p = 0; p < 36; p++) {
        const exact = share * cells[0][p] + (1 - share) * cells[1][p];
        assert.ok(Math.abs(out[p] - exact) <= 0.503, `${out[p]} for ${exact}`);
      }
      if (share === 1) assert.deepEqual(out, cells[0]);
      if (share === 0) assert.deepEqual(out, cells[1]);
    }
  });

  it('should put in a rectangle of the partner, and nothing else', () => {
    const out = new Uint8Array(36);
    const box = { top: 1, left: 2, height: 2, width: 1 };
    mixPixels(out, cells[1], cells[0], { shares: new Float32Array(2), box }, 1, size);
    for (let p = 0; p < 36; p++) {
      const [y, x] = [Math.floor(p / 12), Math.floor(p / 3) % 4];
      assert.equal(out[p], cells[y >= 1 && x === 2 ? 0 : 1][p]);
    }
  });
});
