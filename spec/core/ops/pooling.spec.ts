import assert from 'node:assert/strict';
import { op, primitive } from '../../../core/ops/index.ts';
import { elements, type Shape } from '../../../core/shape.ts';
import { assertClose, checkGradients, noise } from './finiteDifferences.ts';
import { opProgram } from './opProgram.ts';
import { average, maximum } from './reference.ts';
import { interpret } from './run.ts';

/** Different numbers in no order, far enough apart that a small step changes no maximum. */
function distinct(length: number): Float64Array {
  const order = noise(length, 99);
  const ranks = Array.from(order.keys()).sort((a, b) => order[a] - order[b]);
  const values = new Float64Array(length);
  ranks.forEach((at, rank) => {
    values[at] = rank / 16;
  });
  return values;
}

const windows: [Record<string, unknown>, Shape, Shape][] = [
  // [attributes, input, output]; PyTorch's sizes
  [{ kernel: 1 }, [1, 1, 1, 1], [1, 1, 1, 1]],
  [{ kernel: 2 }, [2, 5, 4, 3], [2, 2, 2, 3]],
  [{ kernel: 3, stride: 2 }, [1, 9, 6, 5], [1, 4, 2, 5]],
  [{ kernel: 3, stride: 2, padding: 1 }, [2, 7, 8, 2], [2, 4, 4, 2]],
  [{ kernel: 3, stride: 1, padding: 1 }, [1, 4, 1, 3], [1, 4, 1, 3]],
  [{ kernel: 2, stride: 2, ceilMode: true }, [1, 5, 4, 4], [1, 3, 2, 4]],
  [{ kernel: 3, stride: 2, padding: 1, ceilMode: true }, [1, 6, 7, 2], [1, 4, 4, 2]],
  // the window that would start behind the image and its padding is dropped
  [{ kernel: 2, stride: 3, padding: 1, ceilMode: true }, [1, 5, 6, 1], [1, 2, 3, 1]],
  [{ kernel: 2, stride: 4, ceilMode: true }, [1, 5, 9, 1], [1, 2, 3, 1]],
  [{ kernel: 1, stride: 3 }, [1, 5, 7, 2], [1, 2, 3, 2]],
];
const parse = (name: string, attributes: Record<string, unknown>) =>
  op(name).attributes.parse(attributes) as { kernel: number; stride: number; padding: number };
const asWindows = (name: string, attributes: Record<string, unknown>) => {
  const { kernel, stride, padding } = parse(name, attributes);
  return { kernel: [kernel, kernel] as const, stride, padding };
};
const label = (attributes: Record<string, unknown>, x: Shape) => `${JSON.stringify(attributes).replaceAll('"', '')} on [${x}]`;

describe('maxPool2d', () => {
  for (const [attributes, x, y] of windows) {
    it(`should compute ${label(attributes, x)}, with the gradients of finite differences`, async () => {
      const result = await checkGradients('maxPool2d', attributes, [x], { inputs: [distinct(elements(x))] });
      assert.deepEqual(result.outputShape, y);
      assertClose(result.y, maximum(result.inputs[0], x, y, asWindows('maxPool2d', attributes)));
    });
  }

  it('should give the gradient to the first of equal maxima, and once for each window it won @smoke', async () => {
    const { program, inputGradients } = opProgram('maxPool2d', { kernel: 2, stride: 1 }, [[1, 3, 3, 1]]);
    const x = [0, 1, 1, 1, 1, 0, 2, 0, 1];
    const results = await interpret()(program, { 'input 0': x, dy: [1, 10, 100, 1000] });
    assert.deepEqual([...(results[inputGradients[0]!] as Float64Array)], [0, 11, 0, 0, 1000, 0, 100, 0, 0]);
  });

  it('should keep no winners when it only evaluates', () => {
    const { program } = opProgram('maxPool2d', { kernel: 2 }, [[1, 4, 4, 1]], { mode: 'evaluate', backward: false });
    assert.deepEqual(
      program.nodes.map(node => node.primitive),
      ['maxPool2d'],
    );
  });

  it('should take the largest also of very negative numbers in padded windows', async () => {
    const { program, output } = opProgram('maxPool2d', { kernel: 3, stride: 2, padding: 1 }, [[1, 2, 2, 1]], { backward: false });
    assert.deepEqual([...((await interpret()(program, { 'input 0': [-1e30, -2e30, -3e30, -4e30] }))[output] as Float64Array)], [-1e30]);
  });

  it('should say what does not fit', () => {
    const shape = (attributes: Record<string, unknown>, x: Shape) => () =>
      op('maxPool2d').shape(parse('maxPool2d', attributes), [x], 'maxPool2d "p"');
    assert.throws(shape({ kernel: 3, padding: 2 }, [1, 8, 8, 1]), {
      message: 'maxPool2d "p": expected padding of at most half the kernel 3, got 2. Lower the padding.',
    });
    assert.throws(shape({ kernel: 5 }, [1, 8, 4, 1]), /"p": expected an input of at least 5x5 with its padding of 0 .*got 8x4/);
    assert.throws(shape({ kernel: 2 }, [8, 4]), /"p": expected an image batch \[N,H,W,C\], got \[8,4\]/);
  });
});

describe('avgPool2d', () => {
  for (const countIncludePad of [true, false]) {
    for (const [attributes, x, y] of windows) {
      const all = { ...attributes, countIncludePad };
      it(`should compute ${label(all, x)}, with the gradients of finite differences`, async () => {
        const result = await checkGradients('avgPool2d', all, [x]);
        assert.deepEqual(result.outputShape, y);
        assertClose(result.y, average(result.inputs[0], x, y, asWindows('avgPool2d', all), countIncludePad));
      });
    }
  }
});

describe('adaptiveAvgPool2d', () => {
  const cases: [number, Shape][] = [
    [1, [2, 7, 5, 3]],
    [1, [1, 1, 1, 1]],
    [6, [1, 6, 6, 2]],
    [6, [1, 13, 11, 1]],
    [3, [1, 7, 8, 2]],
    // smaller than the output: pixels repeat
    [4, [1, 1, 3, 2]],
    [5, [1, 3, 2, 1]],
    [7, [1, 9, 16, 1]],
  ];
  for (const [output, x] of cases) {
    it(`should take [${x}] to ${output}x${output}, with the gradients of finite differences`, async () => {
      const { y, inputs, outputShape } = await checkGradients('adaptiveAvgPool2d', { output }, [x]);
      const [N, H, W, C] = x;
      assert.deepEqual(outputShape, [N, output, output, C]);
      const expected: number[] = [];
      for (let n = 0; n < N; n++)
        for (let p = 0; p < output; p++)
          for (let q = 0; q < output; q++)
            for (let c = 0; c < C; c++) {
              const cells: number[] = [];
              for (let h = Math.floor((p * H) / output); h < Math.ceil(((p + 1) * H) / output); h++)
                for (let w = Math.floor((q * W) / output); w < Math.ceil(((q + 1) * W) / output); w++)
                  cells.push(inputs[0][((n * H + h) * W + w) * C + c]);
              expected.push(cells.reduce((sum, cell) => sum + cell, 0) / cells.length);
            }
      assertClose(y, expected);
    });
  }
});

describe('pooling', () => {
  it('should cost one operation for each cell of each window', () => {
    const shapes: [Shape[], Shape] = [[[2, 8, 8, 3]], [2, 4, 4, 3]];
    const place = { kernel: 3, stride: 2, padding: 1, countIncludePad: true };
    const cost = { flops: 2 * 16 * 3 * 9, bytes: 4 * (2 * 64 * 3 + 2 * 16 * 3) };
    for (const name of ['maxPool2d', 'avgPool2d']) assert.deepEqual(primitive(name).cost(place, ...shapes), cost, name);
    assert.deepEqual(primitive('adaptiveAvgPool2d').cost({}, ...shapes), { flops: 2 * 64 * 3, bytes: cost.bytes });
  });
});
