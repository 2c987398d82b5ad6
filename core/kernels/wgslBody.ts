import { fail } from '../errors.ts';
import type { Shader, ShaderLimits } from './gpujsWebgpu.ts';
import type { VariantLaunch } from './variant.ts';
import type { Binding, ShaderArray } from './wgslArrays.ts';

/** A hand-written body with its arrays declared; its `enable` directives must open the module. */
export function wrapBody(launch: VariantLaunch, inputs: readonly ShaderArray[], output: ShaderArray, limits: ShaderLimits): Shader {
  const { body, kernel } = launch;
  const where = `variant of kernel "${kernel.name}"`;
  if (body.language !== 'wgsl') throw fail('state', where, 'a body in wgsl', body.language, 'This variant belongs to another device.');
  if (body.arrays.length !== inputs.length + 1) {
    const expected = `arrays for ${inputs.length} inputs and the output`;
    throw fail('state', where, expected, `${body.arrays.length}`, 'Name them in the order of the inputs, the output last.');
  }
  const invocations = body.workgroup.reduce((product, size) => product * size, 1);
  const most = limits.maxComputeInvocationsPerWorkgroup;
  if (invocations > most)
    throw fail('device', where, `workgroups of at most ${most} (this adapter's limit)`, `${invocations}`, 'Let applies() refuse it.');
  const groups = Math.max(...body.groups);
  const mostGroups = limits.maxComputeWorkgroupsPerDimension;
  if (groups > mostGroups)
    throw fail('device', where, `at most ${mostGroups} workgroups a dimension`, `[${body.groups.join(',')}]`, 'Fold the groups.');

  const bindings: Binding[] = [];
  const variables: string[] = [];
  for (const [i, { name, element }] of body.arrays.entries()) {
    const last = i === inputs.length;
    if (!last && launch.inputs[i] === launch.output) continue;
    const { length, dtype } = last ? output : inputs[i]!;
    const bytes = Math.max(4, Math.ceil((dtype === 'u8' ? length : 4 * length) / 4) * 4);
    if (bytes > limits.maxStorageBufferBindingSize) {
      const expected = `arrays of at most ${limits.maxStorageBufferBindingSize} bytes (this adapter binds no more at once)`;
      throw fail('device', where, expected, `"${name}" of ${bytes}`, "Lower the program with the device's largestBinding.");
    }
    if (element.startsWith('vec4') && bytes % 16 !== 0)
      throw fail('state', where, `"${name}" in whole ${element}`, `${bytes} bytes`, 'Let applies() refuse it, or use single elements.');
    const writes = last || launch.writes?.includes(launch.inputs[i]!) === true;
    variables.push(`@group(0) @binding(${bindings.length}) var<storage, ${writes ? 'read_write' : 'read'}> ${name} : array<${element}>;`);
    bindings.push({ array: last ? 'output' : i, byteOffset: 0, byteLength: bytes, writes });
  }
  if (bindings.length > limits.maxStorageBuffersPerShaderStage) {
    const expected = `at most ${limits.maxStorageBuffersPerShaderStage} arrays with the output (this adapter's limit)`;
    throw fail('device', where, expected, `${bindings.length}`, 'Let applies() refuse it.');
  }
  const directive = /^\s*(enable|requires|diagnostic)\b[^;]*;/gm;
  const directives = body.source.match(directive) ?? [];
  return { source: [...directives, ...variables, body.source.replace(directive, '')].join('\n'), bindings, groups: body.groups };
}
