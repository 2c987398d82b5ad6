import assert from 'node:assert/strict';
import { unreadable } from '../../../core/formats/unreadable.ts';

describe('unreadable', () => {
  it('should say in plain words what the system refused, and the fix', () => {
    const message = (code: string) => unreadable('data/x', 'a folder', Object.assign(new Error('raw'), { code })).message;
    assert.equal(
      message('EACCES'),
      'data/x: expected a folder, got permission denied. Make it readable for this user, for example with chmod -R u+rX.',
    );
    assert.equal(message('EPERM'), message('EACCES'));
    assert.match(message('ENOENT'), /got nothing of that name\. Check the path/);
    assert.match(message('EIO'), /got a failure \(raw\)\. See that the disk is there/);
  });
});
