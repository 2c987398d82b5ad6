import assert from 'node:assert/strict';
import { reorder } from '../../../core/golden/layout.ts';
import { op, primitive } from '../../../core/ops/index.ts';
import type { Shape } from '../../../core/shape.ts';
import { assertClose, checkGradients } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';

const shapeOf = (name: string, shapes: readonly Shape[]) => () => op(name).shape({}, shapes, `${name} "j"`);

describe('add', () => {
  for (const x of [
    [2, 3, 1, 5],
    [3, 7],
  ]) {
    it(`should add two of [${x}], with the gradients of finite differences`, async () => {
      const { y, inputs } = await checkGradients('add', {}, [x, x]);
      assertClose(
        y,
        Array.from(inputs[0], (a, i) => a + inputs[1][i]),
      );
    });
  }

  it('should pass the gradient on without a kernel @smoke', () => {
    const { program, inputGradients } = opProgram(
      'add',
      {},
      [
        [2, 3],
        [2, 3],
      ],
      { needs: [false, true] },
    );
    assert.equal(program.nodes.length, 1);
    assert.deepEqual(inputGradients, [undefined, 'dy']);
  });

  it('should say which shape came', () => {
    assert.throws(
      shapeOf('add', [
        [2, 7, 7, 64],
        [2, 7, 7, 32],
      ]),
      {
        message:
          'add "j": expected two inputs of one shape (the first is [2,7,7,64]), got [2,7,7,32]. Give both branches the same channels and strides.',
      },
    );
  });

  it('should cost two reads and a write', () => {
    assert.deepEqual(
      primitive('add').cost(
        {},
        [
          [2, 3],
          [2, 3],
        ],
        [2, 3],
      ),
      { flops: 6, bytes: 4 * 18 },
    );
  });
});

describe('concat', () => {
  const cases: Shape[][] = [
    [
      [2, 3, 2, 1],
      [2, 3, 2, 6],
    ],
    [
      [1, 1, 1, 5],
      [1, 1, 1, 2],
      [1, 1, 1, 3],
    ],
    [
      [3, 2],
      [3, 1],
      [3, 5],
      [3, 4],
    ],
  ];
  for (const shapes of cases) {
    it(`should join ${shapes.map(shape => `[${shape}]`).join(' and ')}, with the gradients of finite differences`, async () => {
      const { y, inputs, outputShape } = await checkGradients('concat', {}, shapes);
      const widths = shapes.map(shape => shape.at(-1)!);
      assert.equal(
        outputShape.at(-1),
        widths.reduce((sum, width) => sum + width, 0),
      );
      const pixels = shapes[0].slice(0, -1).reduce((product, size) => product * size, 1);
      const expected = Array.from({ length: pixels }, (_, pixel) =>
        inputs.flatMap((input, i) => Array.from(input).slice(pixel * widths[i], (pixel + 1) * widths[i])),
      ).flat();
      assertClose(y, expected);
    });
  }

  it('should take slices only where a gradient is needed', () => {
    const { program } = opProgram(
      'concat',
      {},
      [
        [2, 3],
        [2, 3],
      ],
      { needs: [false, true] },
    );
    assert.deepEqual(
      program.nodes.map(({ primitive: name, attributes }) => [name, attributes]),
      [
        ['concat', {}],
        ['concat.slice', { from: 3 }],
      ],
    );
  });

  it('should say what does not fit', () => {
    assert.throws(
      shapeOf('concat', [
        [2, 7, 7, 64],
        [2, 7, 6, 64],
      ]),
      {
        message:
          'concat "j": expected inputs that differ in channels only (the first is [2,7,7,64]), got [2,7,6,64]. Give all branches the same size and stride.',
      },
    );
    assert.throws(shapeOf('concat', [[2, 7, 7, 64]]), /expected two or more inputs, got 1\./);
  });
});

describe('flatten', () => {
  for (const x of [
    [2, 3, 2, 5],
    [1, 1, 1, 4],
    [3, 1, 1, 7],
    [2, 5, 1, 1],
    [3, 4],
  ] as Shape[]) {
    it(`should put [${x}] into PyTorch's order, with the gradients of finite differences`, async () => {
      const { y, inputs, outputShape } = await checkGradients('flatten', {}, [x]);
      assert.deepEqual(outputShape, [x[0], x.slice(1).reduce((product, size) => product * size, 1)]);
      assertClose(y, x.length === 4 ? reorder(Float64Array.from(inputs[0]), x, [0, 3, 1, 2]).data : inputs[0]);
    });
  }

  it('should refuse what is neither images nor a matrix', () => {
    assert.throws(shapeOf('flatten', [[3]]), /flatten "j": expected an image batch \[N,H,W,C\], got \[3\]/);
  });
});
