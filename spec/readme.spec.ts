import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './sourceFiles.ts';
import { withSupportTable } from './supportTable.ts';

describe('README.md', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');

  it('should have the table of ops as the registry has them: npm run readme @smoke', () => {
    assert.equal(text, withSupportTable(text));
  });

  it('should name every dependency', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const section = text.slice(text.indexOf('## Dependencies'));
    assert.deepEqual(
      Object.keys(dependencies).filter(name => !section.includes(name)),
      [],
    );
  });

  it('should speak of folders that are there', () => {
    const paths = [...text.matchAll(/`((?:core|operators|models|pipelines|spec)\/[\w./-]*)`/g)].map(([, path]) => path);
    assert.ok(paths.length > 5);
    assert.deepEqual(
      paths.filter(path => !existsSync(join(root, path))),
      [],
    );
  });
});
