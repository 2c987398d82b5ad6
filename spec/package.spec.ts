import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './sourceFiles.ts';

const run = promisify(execFile);

/** The TypeScript blocks of the README, in order. */
function examples(): string[] {
  return [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
}

/** What a new user does: packs, installs into an empty project, type-checks and runs what the README shows. */
describe('the packed package', function () {
  this.timeout(300_000);
  let project: string;
  const npm = (cwd: string, ...args: string[]) => run('npm', args, { cwd, maxBuffer: 2 ** 26, env: { ...process.env, NODE_OPTIONS: '' } });
  const node = (...args: string[]) =>
    run(process.execPath, args, { cwd: project, maxBuffer: 2 ** 26, env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' } });
  const millrace = (...args: string[]) => node(join('node_modules', 'millrace', 'dist', 'pipelines', 'bin.js'), ...args);

  before(async () => {
    project = await mkdtemp(join(tmpdir(), 'millrace-package-'));
    const { stdout } = await npm(root, 'pack', '--json', '--pack-destination', project);
    const [{ filename, size, files }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
    assert.ok(size < 6 * 2 ** 20, `${size} bytes`);
    const paths: string[] = files.map(({ path }: { path: string }) => path);
    for (const wanted of ['LICENSE', 'README.md', 'dist/core/index.js', 'dist/core/index.d.ts', 'pipelines/data/fashion-mnist/LICENSE']) {
      assert.ok(paths.includes(wanted), wanted);
    }
    assert.deepEqual(
      paths.filter(path => path.startsWith('spec/') || path.startsWith('core/')),
      [],
    );
    const { overrides, dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    writeFileSync(
      join(project, 'package.json'),
      JSON.stringify({
        name: 'empty',
        private: true,
        type: 'module',
        dependencies: { millrace: `file:${filename}`, webgpu: dependencies.webgpu },
        devDependencies: { typescript: devDependencies.typescript, '@types/node': devDependencies['@types/node'] },
        overrides,
      }),
    );
    await npm(project, 'install', '--prefer-offline', '--no-audit', '--no-fund');
  });
  after(() => rm(project, { recursive: true, force: true }));

  it("should type-check the README's examples", async () => {
    const [first, pipeline, model] = examples();
    writeFileSync(join(project, 'first.ts'), first);
    writeFileSync(join(project, 'pipeline.ts'), pipeline);
    writeFileSync(join(project, 'model.ts'), model);
    const options = {
      target: 'ES2022',
      module: 'NodeNext',
      moduleResolution: 'NodeNext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
    await run('npx', ['tsc', '-p', '.'], { cwd: project }).catch(error => assert.fail(error.stdout));
  });

  it('should run the first example', async () => {
    const { stdout } = await node('--import', 'tsx', 'first.ts');
    const lines = stdout.trim().split('\n');
    assert.equal(lines.length, 20);
    assert.match(lines[19], /^20 \d+\.\d+ \d+ images\/s$/);
  });

  it("should train a user's pipeline with a user's model under plain node", async () => {
    const { stdout } = await millrace(
      'train',
      'pipeline.ts',
      '--model',
      'model.ts',
      '--beta',
      '0.95',
      '--epochs',
      '1',
      '--steps',
      '2',
      '--lr',
      '0.001',
      '--json',
    );
    const summary = JSON.parse(stdout.trim().split('\n').at(-1)!);
    assert.deepEqual([summary.event, summary.model, summary.steps], ['summary', 'mine', 2]);
    assert.equal(JSON.parse(readFileSync(join(summary.run, 'config.json'), 'utf8')).options.beta, 0.95);
  });

  it('should evaluate what it trained', async () => {
    const { stdout } = await millrace('train', '--steps', '2', '--out', 'run', '--json');
    const again = await millrace('evaluate', 'run', '--json');
    assert.equal(JSON.parse(again.stdout.trim().split('\n').at(-1)!).top1, JSON.parse(stdout.trim().split('\n').at(-1)!).top1);
  });
});
