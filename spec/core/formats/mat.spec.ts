import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { readMat } from '../../../core/formats/mat.ts';
import { devkitMeta } from '../../imagenetFixtures.ts';

describe('readMat', () => {
  it('should read structs, text, numbers and cells of a compressed file @smoke', () => {
    const variables = readMat(devkitMeta, 'meta.mat');
    assert.deepEqual([...variables.keys()].sort(), ['big', 'cells', 'synsets', 'text']);
    assert.deepEqual(variables.get('big'), { kind: 'numbers', dims: [2, 3], values: [0, 3, 1, 4, 2, 5] });
    assert.deepEqual(variables.get('text'), { kind: 'text', lines: ['ab', 'cd'] });
    const cells = variables.get('cells')!;
    assert.deepEqual(cells.kind === 'cells' && cells.values, [
      { kind: 'numbers', dims: [1, 1], values: [1.5] },
      { kind: 'text', lines: ['x'] },
    ]);
    const synsets = variables.get('synsets')!;
    assert.ok(synsets.kind === 'structs');
    assert.equal(synsets.values.length, 5);
    assert.deepEqual(synsets.values[3].WNID, { kind: 'text', lines: ['n02084071'] });
    assert.deepEqual(synsets.values[3].children, { kind: 'numbers', dims: [1, 2], values: [2, 3] });
    assert.deepEqual(synsets.values[0].children, { kind: 'numbers', dims: [0, 0], values: [] });
  });

  it('should read the same from a file that is not compressed', () => {
    const parts: Buffer[] = [devkitMeta.subarray(0, 128)];
    for (let at = 128; at < devkitMeta.length; ) {
      const size = devkitMeta.readUInt32LE(at + 4);
      parts.push(inflateSync(devkitMeta.subarray(at + 8, at + 8 + size)));
      at += 8 + size;
    }
    assert.deepEqual(readMat(Buffer.concat(parts), 'meta.mat'), readMat(devkitMeta, 'meta.mat'));
  });

  it('should say what is wrong with another file, and with one that is cut off', () => {
    assert.throws(
      () => readMat(Buffer.from('MATLAB 7.3 MAT-file'), 'meta.mat'),
      /^MillraceError: meta\.mat: expected a MATLAB level 5 file, got 19 bytes\. Fetch it again; files saved with -v7\.3/,
    );
    assert.throws(() => readMat(Buffer.alloc(200), 'meta.mat'), /got another kind of file/);
    for (const end of [131, 140, 300, devkitMeta.length - 1]) {
      assert.throws(() => readMat(devkitMeta.subarray(0, end), 'meta.mat'), /meta\.mat: expected a whole MATLAB file, got /, String(end));
    }
  });
});
