import assert from 'node:assert/strict';
import { folders, type Import, importsOf, sourceFiles } from './sourceFiles.ts';

/** Who may import whom. Inside `pipelines`, and to a folder's own files, everything is allowed. */
const outer: Readonly<Record<string, (to: string) => boolean>> = {
  core: () => false,
  operators: to => to.startsWith('core/'),
  // the graph builder and what its errors are made of
  models: to => /^core\/(graph\/|errors\.ts|closest\.ts|shape\.ts)/.test(to),
  // users copy these files: they see what a user sees
  pipelines: to => /^(core|operators|models)\/index\.ts$/.test(to),
  spec: () => true,
};

/**
 * The finer arrows inside core: what each part imports of the others; `types` only for their types. A part is a folder of core
 * or a file beside them.
 */
const inner: Readonly<Record<string, { readonly values?: string; readonly types?: string }>> = {
  errors: {},
  shape: {},
  random: {},
  closest: {},
  thread: {},
  subscriptionScope: {},
  // numbers and words about a pipeline: a device, a sample or an operator is nothing to it
  profile: { values: 'random subscriptionScope', types: 'meter' },
  meter: { values: 'profile' },
  // a device program knows nothing of graphs, plans or devices
  kernels: { values: 'errors shape', types: 'ops' },
  // AssemblyScript: compiled by asc, imported by nothing
  assembly: {},
  program: { values: 'random shape errors', types: 'ops' },
  // an op is data about one layer: it never sees a device, a graph or training
  ops: { values: 'closest errors kernels program random shape' },
  losses: { values: 'errors ops program shape', types: 'kernels' },
  optimizers: { values: 'errors ops program shape', types: 'kernels' },
  graph: { values: 'closest errors ops program shape' },
  devices: { values: 'errors kernels shape thread' },
  plan: { values: 'errors ops program shape', types: 'devices kernels' },
  training: { values: 'data errors graph plan profile program shape', types: 'devices losses ops optimizers kernels' },
  formats: { values: 'errors shape' },
  // samples and pixels know nothing of tensors; of kernels they use the compiled routines alone
  data: { values: 'closest errors formats kernels meter profile random subscriptionScope', types: 'pool tasks' },
  pool: { values: 'errors thread' },
  tasks: { values: 'errors data formats' },
  checkpoint: { values: 'errors formats graph', types: 'data training' },
  golden: { values: 'errors formats graph losses ops optimizers plan program random shape training', types: 'devices' },
};

describe('arrows between folders', () => {
  const all = folders.flatMap(folder => sourceFiles(folder)).flatMap(importsOf);

  it('should find the imports @smoke', () => {
    assert.ok(all.length > 300, `${all.length} imports`);
    assert.ok(all.some(({ from, to, typeOnly }) => from === 'core/graph/verify.ts' && to === 'core/graph/infer.ts' && !typeOnly));
    assert.ok(all.some(({ from, to }) => from === 'pipelines/commandLine.ts' && to === 'pipelines/commands/train.ts'));
  });

  it('should point from pipelines to operators and models, from these to core, and never to spec @smoke', () => {
    assert.deepEqual(describeAll(all.filter(each => !outerAllows(each))), []);
  });

  it('should point inside core as the table says @smoke', () => {
    assert.deepEqual(describeAll(all.filter(each => !innerAllows(each))), []);
  });

  it('should have a row for every part of core', () => {
    const parts = new Set(sourceFiles('core').map(partOf));
    parts.delete('index');
    assert.deepEqual([...parts].sort(), Object.keys(inner).sort());
  });
});

function outerAllows({ from, to }: Import): boolean {
  const [folder, target] = [from.split('/')[0], to.split('/')[0]];
  return folder === target || outer[folder](to);
}

function innerAllows({ from, to, typeOnly }: Import): boolean {
  if (!from.startsWith('core/') || !to.startsWith('core/')) return true;
  const [part, target] = [partOf(from), partOf(to)];
  if (part === target || part === 'index') return true;
  if (target === 'index') return false;
  const { values = '', types = '' } = inner[part] ?? {};
  return values.split(' ').includes(target) || (typeOnly && types.split(' ').includes(target));
}

/** `core/ops/conv2d/op.ts` is of part `ops`, `core/errors.ts` of part `errors`. */
function partOf(file: string): string {
  return file.split('/')[1].replace(/(\.d)?\.ts$/, '');
}

function describeAll(found: readonly Import[]): string[] {
  return found.map(({ from, to }) => `${from} imports ${to}`);
}
