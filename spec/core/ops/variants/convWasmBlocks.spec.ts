import assert from 'node:assert/strict';
import { lower } from '../../../../core/plan/lower.ts';
import { elements, type Shape } from '../../../../core/shape.ts';
import { noise } from '../finiteDifferences.ts';
import { opProgram } from '../opProgram.ts';
import { interpret } from '../run.ts';
import { directly } from './direct.ts';

type Case = readonly [attributes: Readonly<Record<string, unknown>>, x: Shape];
/** Filters of two to four times their stride. */
const cases: readonly Case[] = [
  [{ filters: 20, kernel: 11, stride: 4, padding: 2 }, [2, 43, 38, 3]], // AlexNet's first layer, smaller and ragged
  [{ filters: 17, kernel: 5, stride: 2, padding: 2, bias: false }, [1, 12, 15, 5]],
  [{ filters: 16, kernel: 6, stride: 2 }, [1, 13, 10, 4]], // filters that fill their blocks
  [{ filters: 16, kernel: [7, 9], stride: 3, padding: 5 }, [1, 8, 10, 2]], // windows that see padding alone
  [{ filters: 24, kernel: 7, stride: 2, padding: 3, bias: false }, [2, 41, 38, 3]], // ResNet's first layer, smaller and ragged
  [{ filters: 18, kernel: [8, 7], stride: 2, padding: 6 }, [2, 9, 12, 5]], // filters that fill four blocks one way
];

function build([attributes, x]: Case) {
  const built = opProgram('conv2d', attributes, [x]);
  // what may be fused into it
  const nodes = built.program.nodes.map(node =>
    node.primitive === 'conv2d' ? { ...node, attributes: { ...node.attributes, relu: true } } : node,
  );
  const program = { ...built.program, nodes };
  const values: Record<string, Float32Array> = {};
  Object.values(program.tensors).forEach(({ name, kind, shape }, i) => {
    if (kind === 'input' || kind === 'parameter') values[name] = Float32Array.from(noise(elements(shape), i));
  });
  return { program, values, compared: [built.output, built.parameterGradients.weight!] };
}
const variantsOf = (each: Case, exact: boolean) => lower(build(each).program, 'wasm', { exact }).nodes.map(({ variant }) => variant);

describe('conv2d/wasm-winograd-blocks', () => {
  for (const each of cases) {
    const label = JSON.stringify(each[0]).replaceAll('"', '');
    it(`should equal the definition up to 1e-4 of the RMS for ${label} on [${each[1]}] @smoke`, async () => {
      assert.ok(variantsOf(each, false).includes('conv2d/wasm-winograd-blocks'));
      const { program, values, compared } = build(each);
      const expected = await interpret()(program, values);
      for (const build of ['relaxed', 'simd'] as const) {
        const got = await directly({ build })(program, values);
        for (const name of compared) {
          const want = expected[name]!;
          let [squares, worst] = [0, 0];
          for (let i = 0; i < want.length; i++) {
            squares += want[i]! ** 2;
            worst = Math.max(worst, Math.abs(want[i]! - got[name]![i]!));
          }
          const rms = Math.sqrt(squares / want.length);
          assert.ok(worst <= 1e-4 * rms, `${name}, ${build}: off by ${worst}, RMS ${rms}`);
        }
      }
    });
  }

  it('should leave other filters, few channels and exact runs alone', () => {
    const takes = (attributes: Record<string, unknown>, x: Shape, exact = false) =>
      variantsOf([attributes, x], exact).some(variant => variant?.endsWith('-blocks'));
    assert.equal(takes({ filters: 16, kernel: 5, stride: 2 }, [1, 9, 9, 4]), true);
    assert.equal(takes({ filters: 16, kernel: 5, stride: 2 }, [1, 9, 9, 4], true), false);
    assert.equal(takes({ filters: 16, kernel: 5, stride: 2 }, [1, 9, 9, 2]), false);
    assert.equal(takes({ filters: 15, kernel: 5, stride: 2 }, [1, 9, 9, 4]), false);
    assert.equal(takes({ filters: 16, kernel: [5, 4], stride: 2 }, [1, 9, 9, 4]), false);
    assert.equal(takes({ filters: 16, kernel: 7, stride: 2 }, [1, 9, 9, 4]), true);
    assert.equal(takes({ filters: 16, kernel: 9, stride: 2 }, [1, 11, 11, 4]), false);
    assert.equal(takes({ filters: 16, kernel: [7, 6], stride: 2 }, [1, 9, 9, 4]), false);
    assert.equal(takes({ filters: 16, kernel: 3 }, [1, 9, 9, 16]), false);
    assert.equal(takes({ filters: 16, kernel: 5, stride: 2, dilation: 2 }, [1, 19, 19, 4]), false);
    assert.equal(takes({ filters: 32, kernel: 5, stride: 2, groups: 2 }, [1, 9, 9, 8]), false);
  });
});
