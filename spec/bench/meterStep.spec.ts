import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

describe('metering', () => {
  it('should make no object for an item while nobody records a trace, and keep nothing', async () => {
    const bench = fileURLToPath(new URL('meterStep.ts', import.meta.url));
    const flags = ['--expose-gc', '--max-semi-space-size=128', '--import', 'tsx'];
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, bench, '--allocations']);
    const [, made, kept] = stdout.match(/^(\d+) bytes a sample are allocated through all stages, (-?[\d.]+) stay/)!;
    // nine stages: one object in each would be far more; less may stay than was there before, code that is no longer used for one
    assert.ok(Number(made) < 100 && Number(kept) < 1, stdout);
  });
});
