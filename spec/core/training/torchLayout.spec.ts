import assert from 'node:assert/strict';
import { elements } from '../../../core/shape.ts';
import { fromTorchLayout, torchShape, toTorchLayout } from '../../../core/training/torchLayout.ts';

const count = (length: number) => Float32Array.from({ length }, (_, i) => i);

describe('torchLayout', () => {
  it('should turn HWIO filters into OIHW', () => {
    // 2 rows, 3 columns, 4 inputs, 5 outputs
    const ours = { shape: [2, 3, 4, 5], data: count(120) };
    const { shape, data } = toTorchLayout(ours, 'filter');
    assert.deepEqual(shape, [5, 4, 2, 3]);
    for (let o = 0; o < 5; o++)
      for (let i = 0; i < 4; i++)
        for (let r = 0; r < 2; r++)
          for (let s = 0; s < 3; s++) assert.equal(data[((o * 4 + i) * 2 + r) * 3 + s], ((r * 3 + s) * 4 + i) * 5 + o);
  });

  it('should transpose matrices and leave the rest alone', () => {
    assert.deepEqual(toTorchLayout({ shape: [2, 3], data: count(6) }, 'matrix'), {
      shape: [3, 2],
      data: Float32Array.of(0, 3, 1, 4, 2, 5),
    });
    const bias = { shape: [3], data: count(3) };
    assert.deepEqual(toTorchLayout(bias, 'plain'), bias);
  });

  it('should come back from where it went, with the shape that it said', () => {
    for (const [layout, shape] of [
      ['filter', [3, 1, 2, 7]],
      ['filter', [1, 1, 5, 4]],
      ['matrix', [6, 5]],
      ['plain', [4]],
    ] as const) {
      const ours = { shape, data: count(elements(shape)) };
      const torch = toTorchLayout(ours, layout);
      assert.deepEqual(torch.shape, torchShape(shape, layout));
      assert.deepEqual(fromTorchLayout(torch, layout), ours);
    }
  });
});
