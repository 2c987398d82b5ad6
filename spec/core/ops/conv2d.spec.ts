import assert from 'node:assert/strict';
import { op, primitive } from '../../../core/ops/index.ts';
import type { Shape } from '../../../core/shape.ts';
import { assertClose, checkGradients } from './finiteDifferences.ts';
import { convolve } from './reference.ts';

const conv2d = op('conv2d');
const parse = (attributes: Record<string, unknown>) => conv2d.attributes.parse(attributes);
const where = 'conv2d "c"';

describe('conv2d', () => {
  it('should infer shape, parameters and multiply-accumulates of ResNet-50’s first layer @smoke', () => {
    const a = parse({ filters: 64, kernel: 7, stride: 2, padding: 3, bias: false });
    const x: Shape = [2, 224, 224, 3];
    assert.deepEqual(conv2d.shape(a, [x], where), [2, 112, 112, 64]);
    const bound = 1 / Math.sqrt(3 * 49);
    assert.deepEqual(conv2d.parameters!(a, [x]), [
      { name: 'weight', role: 'parameter', shape: [7, 7, 3, 64], layout: 'filter', init: { kind: 'uniform', bound } },
    ]);
    assert.equal(conv2d.macs!(a, [[1, 224, 224, 3]], [1, 112, 112, 64]), 118_013_952);
  });

  it('should start from the distributions that init names', () => {
    const init = { weight: { kind: 'normal', std: 0.01 }, bias: { kind: 'constant', value: 1 } };
    const [weight, bias] = conv2d.parameters!(parse({ filters: 8, kernel: [5, 3], groups: 2, init }), [[1, 9, 9, 6]]);
    assert.deepEqual(weight, { name: 'weight', role: 'parameter', shape: [5, 3, 3, 8], layout: 'filter', init: init.weight });
    assert.deepEqual(bias, { name: 'bias', role: 'parameter', shape: [8], layout: 'plain', init: init.bias });
  });

  it('should say what does not fit', () => {
    const shape = (attributes: Record<string, unknown>, x: Shape) => () => conv2d.shape(parse(attributes), [x], where);
    assert.throws(shape({ filters: 8, kernel: 3, groups: 3 }, [1, 9, 9, 64]), {
      message:
        'conv2d "c": expected input channels that 3 groups divide, got 64 channels (input is [1,9,9,64]). Set groups to a divisor of 64, or change the channels of the node before.',
    });
    assert.throws(shape({ filters: 8, kernel: 3, groups: 3 }, [1, 9, 9, 6]), {
      message: 'conv2d "c": expected filters that 3 groups divide, got 8 filters. Change groups or filters.',
    });
    assert.throws(shape({ filters: 8, kernel: [3, 5], dilation: 2, padding: 1 }, [1, 9, 4, 6]), {
      message:
        'conv2d "c": expected an input of at least 5x9 with its padding of 1 (dilation included), got 9x4 (input is [1,9,4,6]). Use a larger image, a smaller kernel, or more padding.',
    });
    assert.throws(shape({ filters: 8, kernel: 3 }, [4, 10]), {
      message: 'conv2d "c": expected an image batch [N,H,W,C], got [4,10]. Move the node before the flatten, or feed it another node.',
    });
    for (const wrong of [{ filters: 0, kernel: 3 }, { filters: 8 }, { filters: 8, kernel: 3, strides: 2 }, { filters: 8, kernel: [3] }]) {
      assert.equal(conv2d.attributes.safeParse(wrong).success, false, JSON.stringify(wrong));
    }
  });

  it('should cost two operations for each product, and each operand once', () => {
    const shapes: Record<string, Shape[]> = {
      conv2d: [
        [2, 8, 8, 4],
        [3, 3, 4, 6],
        [2, 8, 8, 6],
      ],
      'conv2d.inputGradient': [
        [2, 8, 8, 6],
        [3, 3, 4, 6],
        [2, 8, 8, 4],
      ],
      'conv2d.filterGradient': [
        [2, 8, 8, 4],
        [2, 8, 8, 6],
        [3, 3, 4, 6],
      ],
    };
    for (const [name, [a, b, output]] of Object.entries(shapes)) {
      const place = { stride: 1, padding: 1, dilation: 1, groups: 1 };
      const flops = 2 * (2 * 8 * 8 * 6) * (3 * 3 * 4);
      assert.deepEqual(primitive(name).cost(place, [a, b], output), { flops, bytes: 4 * (2 * 64 * 4 + 216 + 2 * 64 * 6) }, name);
    }
  });

  const cases: [Record<string, unknown>, Shape][] = [
    // [attributes, input]; sizes that nothing divides, pixels that no window reaches, windows that hang over on every side
    [{ filters: 1, kernel: 1 }, [1, 1, 1, 1]],
    [{ filters: 5, kernel: 1 }, [2, 3, 3, 3]],
    [{ filters: 3, kernel: 1, stride: 2 }, [1, 4, 5, 2]],
    [{ filters: 2, kernel: 1, stride: 3, padding: 1 }, [1, 3, 4, 3]],
    [{ filters: 4, kernel: 1, groups: 2 }, [1, 3, 2, 4]],
    [{ filters: 2, kernel: 1, stride: 2, groups: 2 }, [1, 3, 3, 2]],
    [{ filters: 5, kernel: 3, padding: 1 }, [2, 3, 5, 3]],
    [{ filters: 3, kernel: 3, padding: 1 }, [1, 1, 1, 2]],
    [{ filters: 2, kernel: 3, stride: 2, padding: 1 }, [1, 6, 5, 3]],
    [{ filters: 3, kernel: 2, stride: 3 }, [2, 7, 6, 1]],
    [{ filters: 2, kernel: 3, padding: 3 }, [1, 2, 3, 2]],
    [{ filters: 2, kernel: [1, 4], stride: 2, padding: 2 }, [1, 3, 6, 2]],
    [{ filters: 2, kernel: [3, 1], dilation: 2, padding: 2 }, [1, 6, 3, 2]],
    [{ filters: 3, kernel: 2, dilation: 3, stride: 2, padding: 1 }, [1, 6, 7, 2]],
    [{ filters: 6, kernel: 3, groups: 3, padding: 1 }, [1, 4, 3, 6]],
    [{ filters: 4, kernel: 3, groups: 4, stride: 2, padding: 1 }, [1, 5, 4, 4]],
    [{ filters: 6, kernel: 2, groups: 2, dilation: 2, padding: 1, stride: 2 }, [2, 5, 6, 4]],
    [{ filters: 2, kernel: 5, stride: 4, padding: 2 }, [1, 9, 11, 1]],
    [{ filters: 2, kernel: 3, padding: 1 }, [2, 3, 7, 4]],
    [{ filters: 4, kernel: 3, groups: 2, padding: 1 }, [1, 4, 7, 8]],
    // one row an image: the windows at its end must not run on into the next image
    [{ filters: 2, kernel: [1, 3], padding: 0 }, [3, 1, 5, 2]],
    [{ filters: 2, kernel: [1, 4], padding: 4 }, [3, 1, 5, 3]],
  ];
  for (const [attributes, x] of cases) {
    for (const bias of attributes.groups ? [true] : [true, false]) {
      const label = JSON.stringify({ ...attributes, bias }).replaceAll('"', '');
      it(`should compute ${label} on [${x}] as its definition says, with the gradients of finite differences`, async () => {
        const { y, outputShape, inputs, parameters } = await checkGradients('conv2d', { ...attributes, bias }, [x]);
        const a = parse(attributes) as { kernel: [number, number]; stride: number; padding: number; dilation: number; groups: number };
        assertClose(y, convolve(inputs[0], x, parameters.weight, parameters.bias, outputShape, a));
      });
    }
  }

  it('should sum long filter gradients in chunks, ragged ones too', async () => {
    // an image has 29 lines of 37 pixels, 1,073: more than one chunk, and the last one shorter than the others
    const shape: Shape = [3, 29, 37, 1];
    const lowered = primitive('conv2d.filterGradient').lower({
      attributes: { stride: 1, padding: 0, dilation: 1, groups: 1 },
      inputs: [
        { name: 'x', shape, dtype: 'f32' },
        { name: 'dy', shape: [3, 29, 37, 2], dtype: 'f32' },
      ],
      output: { name: 'dw', shape: [1, 1, 1, 2], dtype: 'f32' },
      scratch: size => ({ name: 's', shape: size, dtype: 'f32' }),
    });
    assert.deepEqual(
      lowered.map(({ kernel }) => kernel.name),
      ['conv2d.filterGradient', 'conv2d.filterGradient.sum'],
    );
    const { chunks, pieces, share } = lowered[0].kernel.integers!;
    assert.ok(chunks === 3 * pieces && pieces * share > 29 && (pieces - 1) * share < 29, `${chunks} chunks of ${share} lines`);
    // the loss is linear in each operand, so a few elements tell: here all of weight, none of x
    const { y } = await checkGradients('conv2d', { filters: 2, kernel: 1 }, [shape], { needs: [false] });
    assert.equal(y.length, 3 * 29 * 37 * 2);
  });
});
