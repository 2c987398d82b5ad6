import assert from 'node:assert/strict';
import { graph } from '../../../core/graph/builder.ts';
import { infer } from '../../../core/graph/infer.ts';

const message = (text: string) => (error: Error) => {
  assert.equal(error.message, text);
  return true;
};

describe('graph', () => {
  it('should write a graph as plain data, with shapes known at every line @smoke', () => {
    const g = graph('small', [9, 7, 3]);
    const conv = g.conv2d('conv', g.input, { filters: 4, kernel: [3, 1], stride: 2, padding: 1 });
    assert.deepEqual(conv, { name: 'conv', shape: [5, 5, 4] });
    const pool = g.maxPool2d('pool', conv, { kernel: 2 });
    assert.deepEqual(pool.shape, [2, 2, 4]);
    const fc = g.linear('fc', g.flatten('flatten', pool), { features: 5, bias: undefined });
    assert.deepEqual(fc.shape, [5]);
    assert.deepEqual(g.output(fc), {
      format: 'millrace-graph/1',
      name: 'small',
      input: [9, 7, 3],
      nodes: [
        { name: 'conv', op: 'conv2d', attributes: { filters: 4, kernel: [3, 1], stride: 2, padding: 1 }, inputs: ['input'] },
        { name: 'pool', op: 'maxPool2d', attributes: { kernel: 2 }, inputs: ['conv'] },
        { name: 'flatten', op: 'flatten', inputs: ['pool'] },
        { name: 'fc', op: 'linear', attributes: { features: 5 }, inputs: ['flatten'] },
      ],
      output: 'fc',
    });
  });

  it('should have a method for every kind of layer', () => {
    const g = graph('all', [8, 8, 4]);
    let x = g.conv2d('conv', g.input, { filters: 6, kernel: 3, padding: 1, dilation: 1, groups: 2, bias: false });
    x = g.relu('relu', g.batchNorm2d('bn', x, { eps: 1e-3 }));
    x = g.localResponseNorm('norm', x, { size: 3 });
    x = g.concat('concat', [x, g.add('add', [x, g.padChannels('pad', g.input, { channels: 6 })])]);
    assert.deepEqual(x.shape, [8, 8, 12]);
    x = g.avgPool2d('avg', g.maxPool2d('max', x, { kernel: 3, stride: 2, ceilMode: true }), { kernel: 2, countIncludePad: false });
    x = g.flatten('flatten', g.adaptiveAvgPool2d('adaptive', x, { output: 1 }));
    x = g.softmax('softmax', g.linear('fc', g.dropout('dropout', x), { features: 3 }));
    assert.equal(g.output(x).nodes.length, 14);
  });

  it('should say at once which node cannot work, and how to go on', () => {
    const g = graph('small', [8, 8, 3]);
    const conv = g.conv2d('conv', g.input, { filters: 4, kernel: 3, padding: 1 });
    assert.throws(
      () => g.conv2d('grouped', g.input, { filters: 4, kernel: 3, groups: 2 }),
      message(
        'conv2d "grouped": expected input channels that 2 groups divide, got 3 channels (input is [1,8,8,3]). ' +
          'Set groups to a divisor of 3, or change the channels of the node before.',
      ),
    );
    assert.throws(
      () => g.add('sum', [conv, g.input]),
      message(
        'add "sum": expected two inputs of one shape (the first is [1,8,8,4]), got [1,8,8,3]. Give both branches the same channels and strides.',
      ),
    );
    assert.throws(
      () => g.linear('fc', conv, { features: 2 }),
      message('linear "fc": expected a matrix [N,features], got [1,8,8,4]. Put a flatten before it.'),
    );
    assert.throws(
      () => g.padChannels('pad', conv, { channels: 2 }),
      message('padChannels "pad": expected an input of at most 2 channels, got 4 (input is [1,8,8,4]). Set channels to 4 or more.'),
    );
    assert.throws(
      () => g.relu('conv', conv),
      message('relu "conv": expected a name of its own, got a second node "conv" (the first is a conv2d). Rename one of them.'),
    );
    assert.throws(
      () => g.node('conv3d', 'deep', [conv]),
      /^MillraceError: node "deep": expected a known op, got "conv3d"\. Did you mean "conv2d"\? The ops are adaptiveAvgPool2d, add, /,
    );
    assert.throws(
      () => g.conv2d('wide', conv, { filters: 2 ** 20, kernel: 101, padding: 50 }),
      message(
        'conv2d "wide": expected a "weight" of 1 to 2147483647 elements, got [101,101,4,1048576]. Change the attributes, the image size or the batch size.',
      ),
    );
    const large = graph('large', [1024, 1024, 3]);
    const small = large.output(
      large.linear('fc', large.flatten('flatten', large.maxPool2d('pool', large.input, { kernel: 2 })), { features: 2 }),
    );
    assert.doesNotThrow(() => infer(small, 2730));
    assert.throws(
      () => infer(small, 2731),
      message(
        'maxPool2d "pool": expected an output of 1 to 2147483647 elements, got [2731,512,512,3]. Change the batch size: 2730 is the largest.',
      ),
    );
  });

  it('should refuse the values of another graph', () => {
    const [g, other] = [graph('one', [8, 8, 3]), graph('two', [8, 8, 3])];
    const flat = other.flatten('flatten', other.input);
    assert.throws(
      () => g.relu('relu', other.input),
      message('relu "relu": expected values of graph "one", got "input" of another graph. Build every layer with the same builder.'),
    );
    assert.throws(() => g.output(flat), /expected values of graph "one", got "flatten" of another graph/);
  });

  it('should refuse sizes that are no sizes', () => {
    for (const size of [0, -1, 2.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(
        () => graph('bad', [size, 8, 3]),
        /^MillraceError: graph "bad": expected input as \[height, width, channels\] in whole numbers from 1 on, got \[.*,8,3\]\. For RGB/,
      );
    }
  });
});
