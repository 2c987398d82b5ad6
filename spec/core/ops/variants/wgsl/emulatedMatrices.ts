import type { Variant, VariantLaunch, VariantTerms, WgslBody } from '../../../../../core/kernels/variant.ts';

/**
 * A variant for subgroup matrices as one that any adapter runs: 32 threads share a matrix of results, and operands are places in
 * workgroup memory, all of float32. It shows that the right elements meet in the right places; not what the hardware makes of
 * it, nor the rounding to float16.
 */
export function emulated(variant: Variant<unknown>, terms: VariantTerms): Variant<unknown> {
  return {
    ...variant,
    applies: (attributes, inputs, output) => variant.applies(attributes, inputs, output, terms),
    lower: context => (variant.lower({ ...context, terms }) as VariantLaunch[]).map(plain),
  };
}

const SIZE = 16;
/** Results that a thread has of a matrix. */
const SHARE = (SIZE * SIZE) / 32;

function plain(launch: VariantLaunch): VariantLaunch {
  const body = launch.body as WgslBody;
  if (!body.source.includes('subgroupMatrixLoad')) return launch;
  const source = body.source
    .replace(/^enable .*;$/gm, '')
    .replace(/, @builtin\(subgroup_id\) subgroup : u32\) \{/, ') {\n  let subgroup = index / 32u;\n  firstResult = index % 32u * SHARE;')
    .replace(/array<f16,/g, 'array<f32,')
    .replace(/f16\(/g, 'f32(')
    .replace(/subgroup_matrix_result<f32, 16, 16>/g, 'Results')
    .replace(/subgroupMatrixLoad<subgroup_matrix_\w+<f16, 16, 16>, row_major>\(&\w+, (.*), (\w+)\);/g, 'vec3<u32>($1, $2, 1u);')
    .replace(/subgroupMatrixLoad<subgroup_matrix_\w+<f16, 16, 16>, col_major>\(&\w+, (.*), (\w+)\);/g, 'vec3<u32>($1, 1u, $2);')
    .replace(/sum\w+ = subgroupMatrixMultiplyAccumulate\((\w+), (\w+), (\w+)\)/g, 'multiplyAdd($1, $2, &$3)')
    .replace(/subgroupMatrixStore<row_major>\(&results, (.*), (sum\w+), /g, 'storeResults($1, &$2, ');
  // a matrix in workgroup memory: where it begins, and how far it is to the next row and to the next column
  const functions = `
const SHARE = ${SHARE}u;
alias Results = array<f32, SHARE>;
var<private> firstResult : u32;
fn multiplyAdd(left : vec3<u32>, right : vec3<u32>, sums : ptr<function, Results>) {
  for (var i = 0u; i < SHARE; i++) {
    let row = left.x + (firstResult + i) / ${SIZE}u * left.y;
    let column = right.x + (firstResult + i) % ${SIZE}u * right.z;
    for (var k = 0u; k < ${SIZE}u; k++) { (*sums)[i] += tileA[i32(row + k * left.z)] * tileB[i32(column + k * right.y)]; }
  }
}
fn storeResults(offset : u32, sums : ptr<function, Results>, stride : u32) {
  for (var i = 0u; i < SHARE; i++) {
    results[i32(offset + (firstResult + i) / ${SIZE}u * stride + (firstResult + i) % ${SIZE}u)] = (*sums)[i];
  }
}
`;
  return { ...launch, body: { ...body, source: functions + source } };
}
