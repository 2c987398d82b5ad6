import assert from 'node:assert/strict';
import { type Lifetime, type Placement, place } from '../../../core/plan/place.ts';
import { hash } from '../../../core/random.ts';

/** Random tensors over `launches` launches; sizes from a few classes, as in networks, or all different. */
function lifetimes(seed: number, count: number, launches: number): Lifetime[] {
  const draw = (i: number, what: number, below: number) => hash(seed, i, what) % below;
  return Array.from({ length: count }, (_, i) => {
    const first = draw(i, 0, launches);
    const bytes = seed % 2 ? 4 << draw(i, 1, 12) : 4 * (1 + draw(i, 1, 5000));
    return { name: `t${i}`, bytes, first, last: Math.min(launches - 1, first + draw(i, 2, 1 + draw(i, 3, launches))) };
  });
}
const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

/** What must hold of every placement. */
function check(tensors: readonly Lifetime[], { slots, slotOf }: Placement): void {
  assert.equal(slotOf.size, tensors.length);
  for (const tensor of tensors) assert.ok(slots[slotOf.get(tensor.name)!]! >= tensor.bytes, `${tensor.name} does not fit its buffer`);
  for (const [i, a] of tensors.entries()) {
    for (const b of tensors.slice(i + 1)) {
      const together = a.first <= b.last && b.first <= a.last;
      if (together) assert.notEqual(slotOf.get(a.name), slotOf.get(b.name), `${a.name} and ${b.name} live at once in one buffer`);
    }
  }
}

describe('place', () => {
  for (let seed = 0; seed < 40; seed++) {
    it(`should give no two tensors that live at once one buffer, and no more than all of them need (seed ${seed})`, () => {
      const tensors = lifetimes(seed, 10 + (hash(seed) % 60), 5 + (hash(seed, 1) % 40));
      const placement = place(tensors);
      check(tensors, placement);
      assert.ok(sum(placement.slots) <= sum(tensors.map(({ bytes }) => bytes)));
      // nor less than lives at the worst moment
      const at = (time: number) => sum(tensors.filter(({ first, last }) => first <= time && time <= last).map(({ bytes }) => bytes));
      assert.ok(sum(placement.slots) >= Math.max(...tensors.map(({ first }) => at(first))));
      // a pure function
      assert.deepEqual(place(tensors), placement);
    });
  }

  it('should use a buffer again when its tensor is dead', () => {
    // a chain: every tensor is read by the next launch only
    const chain = Array.from({ length: 10 }, (_, i) => ({ name: `t${i}`, bytes: 100, first: i, last: i + 1 }));
    const { slots } = place(chain);
    assert.deepEqual(slots, [100, 100]);
  });

  it('should not share between the last reader and the writer of the same launch', () => {
    const { slotOf } = place([
      { name: 'in', bytes: 8, first: 0, last: 3 },
      { name: 'out', bytes: 8, first: 3, last: 4 },
    ]);
    assert.notEqual(slotOf.get('in'), slotOf.get('out'));
  });

  it('should take the smallest buffer that is large enough', () => {
    const { slots, slotOf } = place([
      { name: 'large', bytes: 1000, first: 0, last: 1 },
      { name: 'middle', bytes: 100, first: 0, last: 1 },
      { name: 'small', bytes: 90, first: 2, last: 3 },
    ]);
    assert.deepEqual(slots, [1000, 100]);
    assert.equal(slotOf.get('small'), slotOf.get('middle'));
  });

  it('should take buffers that exist before new ones, under their numbers', () => {
    const tensors = lifetimes(7, 30, 20);
    const { slots } = place(tensors);
    const again = place(tensors, slots);
    check(tensors, again);
    assert.deepEqual(again.slots.slice(0, slots.length), slots);
    // the largest and most of the others find their place again
    assert.ok(sum(again.slots) < 1.2 * sum(slots));
    const some = place(tensors, [64, 1 << 20]);
    check(tensors, some);
    assert.deepEqual(some.slots.slice(0, 2), [64, 1 << 20]);
  });

  it('should need nothing for nothing', () => {
    assert.deepEqual(place([]), { slots: [], slotOf: new Map() });
    assert.deepEqual(place([], [5]).slots, [5]);
  });
});
