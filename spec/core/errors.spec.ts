import assert from 'node:assert/strict';
import { fail, MillraceError, show } from '../../core/errors.ts';

describe('fail', () => {
  it('should say where, what was expected, what came and how to go on, in one plain paragraph', () => {
    const error = fail('graph', 'conv2d "c1"', 'weight with 64 input channels', '32', 'Set groups: 2.');
    assert.ok(error instanceof MillraceError && error instanceof Error);
    assert.equal(error.message, 'conv2d "c1": expected weight with 64 input channels, got 32. Set groups: 2.');
    assert.equal(String(error), `MillraceError: ${error.message}`);
    assert.equal(error.kind, 'graph');
    assert.deepEqual(error.complaint, {
      where: 'conv2d "c1"',
      expected: 'weight with 64 input channels',
      got: '32',
      fix: 'Set groups: 2.',
    });
    assert.ok(!('cause' in error));
    assert.match(error.stack!, /errors\.spec/);
  });

  it('should keep its cause', () => {
    const cause = new Error('below');
    assert.equal(fail('data', 'a', 'b', 'c', 'D.', cause).cause, cause);
  });
});

describe('show', () => {
  const round: { self?: unknown } = {};
  round.self = round;
  const shown: [unknown, string][] = [
    ['a "b"', '"a \\"b\\""'],
    [3, '3'],
    [undefined, 'undefined'],
    [null, 'null'],
    [[1, 'x'], '[1,"x"]'],
    [{ a: 1 }, '{"a":1}'],
    [function named() {}, 'function named'],
    [() => {}, 'function (anonymous)'],
    [Symbol('s'), 'Symbol(s)'],
    [10n, '10'],
    [round, '[object Object]'],
  ];
  for (const [value, expected] of shown) {
    it(`should show ${expected}`, () => {
      assert.equal(show(value), expected);
    });
  }

  it('should show numbers that JSON does not know', () => {
    assert.deepEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0].map(show), ['NaN', 'Infinity', '-Infinity', '0']);
  });
});
