import assert from 'node:assert/strict';
import { z } from 'zod';
import { op, opNames, primitive, primitiveNames, registerOp, registerPrimitive } from '../../../core/ops/index.ts';

describe('op registry', () => {
  it('should find every op and primitive that it lists @smoke', () => {
    for (const name of opNames()) assert.equal(op(name).name, name);
    for (const name of primitiveNames()) assert.equal(primitive(name).name, name);
    assert.ok(opNames().includes('conv2d'));
    assert.ok(primitiveNames().includes('conv2d.inputGradient'));
  });

  it('should list what exists and guess what was meant', () => {
    const ops = opNames().join(', ');
    assert.throws(() => op('conv2', 'node "stem"'), {
      name: 'MillraceError',
      kind: 'graph',
      message: `node "stem": expected a registered op (${ops}), got "conv2". Did you mean "conv2d"? Use one of these, or register "conv2" first.`,
    });
    assert.throws(() => op('transformer'), {
      message: `graph: expected a registered op (${ops}), got "transformer". Use one of these, or register "transformer" first.`,
    });
    assert.throws(() => primitive('relu.inputGradiant'), /^MillraceError: program: .* Did you mean "relu\.inputGradient"\?/);
  });

  it('should refuse a second registration of a name', () => {
    const twin = {
      name: 'add',
      attributes: z.strictObject({}),
      inputs: ['a'],
      shape: () => [],
      forward: () => assert.fail(),
      gradient: 'none',
    } as const;
    assert.throws(() => registerOp(twin), {
      kind: 'state',
      message: 'op "add": expected a name that no other op has, got a second registration. Choose another name.',
    });
    assert.throws(
      () => registerPrimitive({ name: 'add', cost: () => ({ flops: 0, bytes: 0 }), lower: () => [] }),
      /primitive "add": expected/,
    );
  });
});
