import assert from 'node:assert/strict';
import { LiveLines } from '../../../pipelines/terminal/liveLines.ts';
import { Output } from '../../../pipelines/terminal/output.ts';
import { Emulated } from './screen.ts';

const block = (count: number, length: number) => Array.from({ length: count }, (_, i) => `live ${i} `.padEnd(length, String(i))).join('\n');
const seen = (rows: readonly string[]) => rows.filter(row => row.startsWith('live') || /^(\d)\1+$/.test(row));

describe('LiveLines', () => {
  it('should draw over what it drew before, and leave nothing when taken away @smoke', async () => {
    const screen = new Emulated(40, 10);
    const lines = new LiveLines(screen, undefined);
    screen.write('before\n');
    lines.draw(block(4, 30));
    lines.draw('live a\nlive b');
    assert.deepEqual((await screen.text()).screen, ['before', 'live a', 'live b']);
    assert.deepEqual(screen.cursor, [1, 0]);
    lines.erase();
    screen.write('after\n');
    assert.deepEqual((await screen.text()).screen, ['before', 'after']);
    assert.ok(!screen.written.includes('\u001b[?25l'), 'the cursor stays visible');
  });

  it('should scroll the text above it and nothing else when it is drawn at the bottom', async () => {
    const screen = new Emulated(40, 6);
    const lines = new LiveLines(screen, undefined);
    screen.write('1\n2\n3\n4\n5\n');
    lines.draw(block(4, 30));
    const { scrollback, screen: rows } = await screen.text();
    assert.deepEqual(
      [scrollback, rows.slice(0, 2)],
      [
        ['1', '2', '3'],
        ['4', '5'],
      ],
    );
    assert.deepEqual(rows.slice(2), block(4, 30).split('\n'));
  });

  it('should keep out of the scrollback when the terminal becomes lower than it', async () => {
    for (const above of [1, 30]) {
      const screen = new Emulated(60, 24);
      const output = new Output(false, { stdout: screen, stderr: screen });
      for (let i = 0; i < above; i++) output.line(`text ${i}`);
      output.update(() => block(Math.min(13, output.rows - 1), 50));
      for (const rows of [20, 8, 3, 2, 12, 24, 6]) {
        await screen.resize(60, rows);
        const { scrollback, screen: shown } = await screen.text();
        assert.deepEqual(seen(scrollback), [], `${rows} rows`);
        assert.deepEqual(seen(shown), block(Math.min(13, rows - 1), 50).split('\n'), `${rows} rows`);
      }
      output.clear();
      const { scrollback, screen: shown } = await screen.text();
      assert.deepEqual(
        [...scrollback, ...shown],
        Array.from({ length: above }, (_, i) => `text ${i}`),
      );
    }
  });

  it('should leave no rows behind when the terminal becomes narrower, at once or by and by', async () => {
    const program = process.env.TERM_PROGRAM;
    try {
      // what the emulator is made of
      process.env.TERM_PROGRAM = 'vscode';
      const dragged = Array.from({ length: 70 }, (_, i) => 99 - i);
      for (const above of [1, 12, 40])
        for (const widths of [[60], [52, 100], [80, 79, 66, 80], [...dragged, ...dragged.toReversed()]]) {
          const screen = new Emulated(100, 24);
          const output = new Output(false, { stdout: screen, stderr: screen });
          for (let i = 0; i < above; i++) output.line(`text ${i}`);
          output.update(() => block(9, output.liveColumns - 1));
          for (const columns of widths) {
            await screen.resize(columns, 24);
            const { scrollback, screen: shown } = await screen.text();
            assert.deepEqual(seen(scrollback), [], `${columns} of ${widths} columns under ${above}`);
            assert.deepEqual(seen(shown), block(9, output.liveColumns - 1).split('\n'), `${columns} of ${widths} columns under ${above}`);
          }
          output.line('last');
          output.clear();
          const { scrollback, screen: shown } = await screen.text();
          assert.deepEqual([...scrollback, ...shown], [...Array.from({ length: above }, (_, i) => `text ${i}`), 'last']);
        }
    } finally {
      if (program === undefined) delete process.env.TERM_PROGRAM;
      else process.env.TERM_PROGRAM = program;
    }
  });

  it('should cut a line that the terminal has no room for any more, instead of breaking it', async () => {
    const screen = new Emulated(20, 6);
    const lines = new LiveLines(screen, undefined);
    lines.draw(`${'x'.repeat(50)}\nshort`);
    assert.deepEqual((await screen.text()).screen, ['x'.repeat(20), 'short']);
    screen.write('y'.repeat(25));
    assert.deepEqual((await screen.text()).screen[0], 'y'.repeat(20), 'other lines are broken as ever');
  });
});
