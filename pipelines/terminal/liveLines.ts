import { stripVTControlCharacters } from 'node:util';

/** As much of a terminal as is used here. */
export interface Screen {
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * In between, the cursor stands at the start of the *first* live line. A terminal that becomes lower keeps the cursor's line and
 * cuts off what is below, so no live line is pushed into the scrollback, where it could not be taken away any more; and all that is
 * live, however often it was broken by a terminal that became narrower, is what comes from the cursor on.
 */
const start = '\u001b[?2026h\r';
/** To the end of the screen; then the terminal may show it all at once. */
const erase = '\u001b[J';
const end = '\u001b[?2026l';
/** A line that is longer than a terminal which was just made narrower is cut there, and not broken. */
const [cut, wrap] = ['\u001b[?7l', '\u001b[?7h'];
const restOfLine = '\u001b[K';

/**
 * Terminals made of xterm.js move the cursor down by the rows that come from breaking lines, also where those lines stand below it
 * (Buffer._reflowSmaller of 6.0.0). Others keep it where it was in the text.
 */
const sinking = new Set(['vscode', 'Hyper', 'Tabby']);
/** There, lines that stay so much shorter than the terminal is wide are not broken while someone drags its edge. */
const margin = 16;

/** Lines at the end of a terminal's text that are drawn again and again, and taken away without a trace. */
export class LiveLines {
  #shown: readonly string[] = [];
  #columns = 0;
  readonly #sinks: boolean;

  constructor(
    private readonly screen: Screen,
    terminal = process.env.TERM_PROGRAM,
  ) {
    this.#sinks = sinking.has(terminal ?? '');
  }

  /** Columns that a line should stay below. */
  get columns(): number {
    const { columns = 100 } = this.screen;
    return this.#sinks ? Math.max(Math.min(columns, 40), columns - margin) : columns;
  }

  get any(): boolean {
    return this.#shown.length > 0;
  }

  /** @param text no line is longer than the terminal is wide, and there are no more of them than it has rows */
  draw(text: string): void {
    const lines = text.split('\n');
    const back = lines.length > 1 ? `\u001b[${lines.length - 1}A` : '';
    const drawn = lines.join(`${restOfLine}\r\n`);
    this.screen.write(`${start}${this.#rise()}${cut}${drawn}${erase}${back}\r${wrap}${end}`);
    this.#shown = lines;
    this.#columns = this.screen.columns ?? 0;
  }

  erase(): void {
    if (this.any) this.screen.write(`${start}${this.#rise()}${erase}${end}`);
    this.#shown = [];
  }

  /** Back to the first live line, where the terminal has moved the cursor away from it. */
  #rise(): string {
    const { columns = 0 } = this.screen;
    if (!this.#sinks || columns >= this.#columns) return '';
    let sunk = 0;
    for (let i = this.#shown.length - 1; i >= 0; i--) {
      const rows = Math.ceil(stripVTControlCharacters(this.#shown[i]).trimEnd().length / columns);
      // from the last line up; the one that the cursor has come to stand in is left as it is
      if (rows > 1 && i !== sunk) sunk += rows - 1;
    }
    return sunk > 0 ? `\u001b[${sunk}A` : '';
  }
}
