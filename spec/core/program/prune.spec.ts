import assert from 'node:assert/strict';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import { prune } from '../../../core/program/prune.ts';

describe('prune', () => {
  /** x -> a -> b -> result, a -> dead -> deader, and the state s updated from a. */
  function program() {
    const builder = new ProgramBuilder();
    const x = builder.declare('x', 'input', [2]);
    builder.declare('unread', 'input', [2]);
    const state = builder.declare('s', 'state', [2]);
    const a = builder.emit('relu', 'a', [2], [x]);
    const dead = builder.emit('relu', 'dead', [2], [a]);
    builder.emit('relu', 'deader', [2], [dead]);
    builder.update('add', state, [state, a]);
    const b = builder.emit('relu', 'b', [2], [a]);
    builder.emit('relu', 'out', [2], [b], {}, 'result');
    return builder.build();
  }
  const outputs = (each: ReturnType<typeof program>) => each.nodes.map(node => node.output);

  it('should keep what leads to results and updates, in order', () => {
    const pruned = prune(program());
    assert.deepEqual(outputs(pruned), ['a', 's', 'b', 'out']);
    assert.deepEqual(Object.keys(pruned.tensors), ['x', 'unread', 's', 'a', 'b', 'out']);
  });

  it('should keep what is named, and what that needs', () => {
    assert.deepEqual(outputs(prune(program(), ['dead'])), ['a', 'dead', 's', 'b', 'out']);
  });

  it('should have nothing to do the second time', () => {
    const once = prune(program());
    assert.deepEqual(prune(once), once);
  });
});
