import assert from 'node:assert/strict';
import { ALIGNMENT, type Lifetime, type Placement, placeInArenas, placeInBuffers } from '../../../core/plan/place.ts';
import { hash } from '../../../core/random.ts';

/** Random tensors over `launches` launches; sizes from a few classes, as in networks, or all different. */
function lifetimes(seed: number, count: number, launches: number): Lifetime[] {
  const draw = (i: number, what: number, below: number) => hash(seed, i, what) % below;
  return Array.from({ length: count }, (_, i) => {
    const first = draw(i, 0, launches);
    const bytes = seed % 2 ? 4 << draw(i, 1, 12) : 4 * (1 + draw(i, 1, 5000));
    const last = Math.min(launches - 1, first + draw(i, 2, 1 + draw(i, 3, launches)));
    return { name: `t${i}`, bytes, first, last, scratch: draw(i, 4, 5) === 0 };
  });
}
const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
const aligned = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** What must hold of every placement. */
function check(tensors: readonly Lifetime[], { buffers, places }: Placement): void {
  assert.equal(places.size, tensors.length);
  const placeOf = ({ name, bytes }: Lifetime) => ({ bytes, ...places.get(name)! });
  for (const tensor of tensors) {
    const { buffer, offset } = placeOf(tensor);
    assert.ok(
      offset >= 0 && offset % ALIGNMENT === 0 && offset + tensor.bytes <= buffers[buffer]!,
      `${tensor.name} does not fit its buffer`,
    );
  }
  for (const [i, a] of tensors.entries()) {
    for (const b of tensors.slice(i + 1)) {
      if (a.first > b.last || b.first > a.last) continue;
      const [one, other] = [placeOf(a), placeOf(b)];
      const apart = one.buffer !== other.buffer || one.offset + one.bytes <= other.offset || other.offset + other.bytes <= one.offset;
      assert.ok(apart, `${a.name} and ${b.name} live at once in the same bytes`);
    }
  }
}

for (const [name, place] of [
  ['placeInBuffers', placeInBuffers],
  ['placeInArenas', placeInArenas],
] as const) {
  describe(name, () => {
    for (let seed = 0; seed < 20; seed++) {
      it(`should give no two tensors that live at once the same bytes, and no more than all of them need (seed ${seed})`, () => {
        const tensors = lifetimes(seed, 10 + (hash(seed) % 60), 5 + (hash(seed, 1) % 40));
        const placement = place(tensors);
        check(tensors, placement);
        const total = sum(placement.buffers);
        assert.ok(total <= sum(tensors.map(({ bytes }) => aligned(bytes))));
        // nor less than lives at the worst moment
        const at = (time: number) => sum(tensors.filter(({ first, last }) => first <= time && time <= last).map(({ bytes }) => bytes));
        assert.ok(total >= Math.max(...tensors.map(({ first }) => at(first))));
        // a pure function; and scratch is what the rest would do without
        assert.deepEqual(place(tensors), placement);
        const rest = place(tensors.filter(({ scratch }) => !scratch));
        assert.equal(total - placement.scratchBytes, sum(rest.buffers));
        assert.equal(rest.scratchBytes, 0);
      });
    }

    it('should use bytes again when their tensor is dead', () => {
      // a chain: every tensor is read by the next launch only
      const chain = Array.from({ length: 10 }, (_, i) => ({ name: `t${i}`, bytes: 1024, first: i, last: i + 1 }));
      assert.equal(sum(place(chain).buffers), 2048);
    });

    it('should not share between the last reader and the writer of the same launch', () => {
      const tensors = [
        { name: 'in', bytes: 8, first: 0, last: 3 },
        { name: 'out', bytes: 8, first: 3, last: 4 },
      ];
      check(tensors, place(tensors));
    });

    it('should take buffers that exist before new ones, under their numbers', () => {
      const tensors = lifetimes(7, 30, 20);
      const { buffers } = place(tensors);
      const again = place(tensors, buffers);
      check(tensors, again);
      assert.deepEqual(again.buffers.slice(0, buffers.length), buffers);
      // the largest and most of the others find their place again
      assert.ok(sum(again.buffers) < 1.2 * sum(buffers));
      const some = place(tensors, [256, 1 << 20]);
      check(tensors, some);
      assert.deepEqual(some.buffers.slice(0, 2), [256, 1 << 20]);
    });

    it('should need nothing for nothing', () => {
      assert.deepEqual(place([]), { buffers: [], places: new Map(), scratchBytes: 0 });
      assert.deepEqual(place([], [512]).buffers, [512]);
    });
  });
}

describe('placeInBuffers', () => {
  it('should take the smallest buffer that is large enough, at its start', () => {
    const { buffers, places } = placeInBuffers([
      { name: 'large', bytes: 1000, first: 0, last: 1 },
      { name: 'middle', bytes: 100, first: 0, last: 1 },
      { name: 'small', bytes: 90, first: 2, last: 3 },
    ]);
    assert.deepEqual(buffers, [1000, 100]);
    assert.deepEqual(places.get('small'), { buffer: 1, offset: 0 });
  });
});

describe('placeInArenas', () => {
  it('should let tensors of different sizes share bytes, in the tightest gap', () => {
    const { buffers, places } = placeInArenas([
      { name: 'early', bytes: 4096, first: 0, last: 3 },
      { name: 'low', bytes: 1024, first: 4, last: 9 },
      { name: 'gap', bytes: 2048, first: 4, last: 5 },
      { name: 'high', bytes: 1000, first: 4, last: 9 },
      { name: 'late', bytes: 500, first: 6, last: 9 },
    ]);
    assert.deepEqual(buffers, [4096]);
    assert.deepEqual(
      ['early', 'gap', 'low', 'high', 'late'].map(name => places.get(name)!.offset),
      [0, 0, 2048, 3072, 0],
    );
  });
});
