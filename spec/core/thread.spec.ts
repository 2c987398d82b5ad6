import assert from 'node:assert/strict';
import { threadEntry, threadFlags } from '../../core/thread.ts';

describe('threadFlags', () => {
  it('should keep what loads modules, with values in either form, and nothing else', () => {
    const flags = ['--require', './a.cjs', '--max-old-space-size=4096', '--import=tsx', '--input-type=module', '--expose-gc', '-C', 'dev'];
    assert.deepEqual(threadFlags(flags), ['--require', './a.cjs', '--import=tsx', '-C', 'dev']);
    assert.deepEqual(threadFlags([]), []);
  });
});

describe('threadEntry', () => {
  it('should name the compiled file beside a compiled caller', () => {
    assert.equal(threadEntry('file:///p/dist/core/a.js', './worker').href, 'file:///p/dist/core/worker.js');
  });

  it('should load TypeScript through tsx beside a caller in TypeScript', () => {
    const entry = threadEntry(import.meta.url, './worker');
    assert.equal(entry.protocol, 'data:');
    assert.match(decodeURIComponent(entry.href), /tsx.*register\(\); await import\("file:.*spec\/core\/worker\.ts"\)/);
  });
});
