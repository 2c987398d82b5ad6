import assert from 'node:assert/strict';
import { SlotPool } from '../../../core/data/slots.ts';

describe('SlotPool', () => {
  it('should not grow with the number of samples', () => {
    const slots = new SlotPool();
    for (let i = 0; i < 1000; i++) {
      const taken = [slots.take(), slots.take(), slots.take()];
      for (const slot of taken) slot.view(100, slot.cell.byteLength < 100 ? new SharedArrayBuffer(100) : undefined);
      for (const slot of taken) slot.give();
    }
    assert.deepEqual([slots.inUse, slots.cells, slots.bytes], [0, 3, 300]);
  });

  it('should give a cell out to one at a time', () => {
    const slots = new SlotPool();
    const [a, b] = [slots.take(), slots.take()];
    assert.notEqual(a.cell, b.cell);
    const { cell } = a;
    a.give();
    a.give();
    assert.equal(slots.inUse, 1);
    assert.equal(slots.take().cell, cell);
    assert.notEqual(slots.take().cell, cell);
  });

  it('should not keep the memory of one huge image in a stream of small ones', () => {
    const slots = new SlotPool();
    const huge = slots.take();
    huge.view(1_000_000, new SharedArrayBuffer(1_000_000));
    huge.give();
    const small = slots.take();
    small.view(1000);
    small.give();
    assert.equal(slots.bytes, 0);
  });

  it('should let everything go when closed, what is in use when it comes back', () => {
    const slots = new SlotPool();
    const [a, b] = [slots.take(), slots.take()];
    a.view(10, new SharedArrayBuffer(10));
    b.view(10, new SharedArrayBuffer(10));
    a.give();
    slots.close();
    assert.equal(slots.bytes, 10);
    b.give();
    assert.deepEqual([slots.bytes, slots.cells], [0, 0]);
  });
});
