import { Terminal } from '@xterm/headless';

/** A terminal emulator in place of process.stdout: what a person would see, and what scrolling back shows. */
export class Emulated {
  readonly isTTY = true;
  readonly #terminal: Terminal;
  readonly #resized: (() => void)[] = [];
  /** Everything that was written, as it was written. */
  written = '';

  constructor(
    public columns = 80,
    public rows = 24,
  ) {
    this.#terminal = new Terminal({ cols: columns, rows, scrollback: 1000, allowProposedApi: true, convertEol: true });
  }

  write(text: string): boolean {
    this.written += text;
    this.#terminal.write(text);
    return true;
  }
  on(event: string, listener: (error: NodeJS.ErrnoException) => void): void {
    if (event === 'resize') this.#resized.push(() => listener(new Error('resize')));
  }

  /** What has been written is on the screen. */
  settled(): Promise<void> {
    return new Promise(resolve => this.#terminal.write('', resolve));
  }
  /** First the emulator has another size, then the program is told. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.settled();
    this.#terminal.resize(columns, rows);
    Object.assign(this, { columns, rows });
    for (const listener of this.#resized) listener();
    await this.settled();
  }

  /** Rows above the screen, and those on it up to the last with something in it. */
  async text(): Promise<{ readonly scrollback: string[]; readonly screen: string[] }> {
    await this.settled();
    const { active } = this.#terminal.buffer;
    const all = Array.from({ length: active.length }, (_, i) => active.getLine(i)!.translateToString(true));
    const screen = all.slice(active.baseY);
    while (screen.at(-1) === '') screen.pop();
    return { scrollback: all.slice(0, active.baseY), screen };
  }
  /** Row on the screen and column of the cursor, 0-based. */
  get cursor(): readonly [row: number, column: number] {
    const { cursorY, cursorX } = this.#terminal.buffer.active;
    return [cursorY, cursorX];
  }
}
