import assert from 'node:assert/strict';
import { inPlace } from '../../../core/plan/inPlace.ts';
import { ProgramBuilder } from '../../../core/program/builder.ts';
import type { Program } from '../../../core/program/program.ts';
import { interpret } from '../ops/run.ts';

const shape = [2, 3];
const values = { x: [1, -2, 3, -4, 5, -6], other: [-3, 3, -3, 3, -3, 3] };

/** What `write` writes on inputs `x` and `other`; `made` is a copy of x that may be overwritten. */
function programOf(write: (program: ProgramBuilder) => void): Program {
  const builder = new ProgramBuilder();
  const [x, other] = [builder.declare('x', 'input', shape), builder.declare('other', 'input', shape)];
  builder.emit('add', 'made', shape, [x, other]);
  write(builder);
  return builder.build();
}
const temporary = (program: Program, kept: readonly string[]) => (name: string) =>
  program.tensors[name].kind === 'activation' && !kept.includes(name);
const shown = ({ nodes }: Program) =>
  nodes
    .slice(1)
    .map(({ primitive, inputs, output, attributes }) => `${primitive} ${inputs} → ${output} ${attributes.inPlace ?? ''}`.trim());

describe('inPlace', () => {
  it('should write over an input that nothing reads afterwards, along a chain', async () => {
    const program = programOf(p => {
      p.emit('relu', 'a', shape, [p.get('made')]);
      p.emit('add', 'b', shape, [p.get('a'), p.get('other')]);
      p.emit('relu', 'y', shape, [p.get('b')]);
      p.emit('add', 'end', shape, [p.get('y'), p.get('x')]);
    });
    const after = inPlace(program, temporary(program, ['end']));
    assert.deepEqual(shown(after), ['relu made → made 0', 'add made,other → made 0', 'relu made → made 0', 'add made,x → end']);
    assert.deepEqual(Object.keys(after.tensors).sort(), ['end', 'made', 'other', 'x']);
    const [expected, got] = [await interpret()(program, values), await interpret({ strict: true })(after, values)];
    assert.deepEqual(got.end, expected.end);
    assert.deepEqual(inPlace(after, temporary(after, ['end'])), after);
  });

  it('should overwrite the second operand where the first is needed', () => {
    const program = programOf(p => {
      p.emit('relu', 'a', shape, [p.get('made')]);
      p.emit('add', 'b', shape, [p.get('made'), p.get('a')]);
      p.emit('add', 'end', shape, [p.get('other'), p.get('b')]);
    });
    // made is read by two: its last reader may have it
    assert.deepEqual(shown(inPlace(program, temporary(program, ['end']))), [
      'relu made → a',
      'add made,a → made 0',
      'add other,made → end',
    ]);
    const second = programOf(p => {
      p.emit('relu', 'a', shape, [p.get('made')]);
      p.emit('add', 'b', shape, [p.get('other'), p.get('a')]);
      p.emit('add', 'end', shape, [p.get('made'), p.get('b')]);
    });
    assert.deepEqual(shown(inPlace(second, temporary(second, ['end']))), ['relu made → a', 'add other,a → a 1', 'add made,a → end']);
  });

  it('should leave alone what lasts, what is read later or twice, and what has another shape', () => {
    const leaves = (write: (program: ProgramBuilder) => void, kept: readonly string[] = ['end']) => {
      const program = programOf(write);
      assert.equal(inPlace(program, temporary(program, kept)), program);
    };
    leaves(p => p.emit('relu', 'end', shape, [p.get('x')]), []);
    leaves(p => p.emit('relu', 'end', shape, [p.get('made')]));
    leaves(p => p.emit('relu', 'a', shape, [p.get('made')]), ['made']);
    leaves(p => p.emit('add', 'a', shape, [p.get('made'), p.get('made')]), []);
    leaves(p => {
      p.emit('relu', 'a', shape, [p.get('made')]);
      p.emit('linear', 'end', [2, 4], [p.get('made'), p.declare('weight', 'parameter', [3, 4])]);
    });
    leaves(p => p.emit('flatten', 'a', [2, 3], [p.get('made')]), []);
  });
});
