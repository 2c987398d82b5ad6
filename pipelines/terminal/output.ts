import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';

/** As much of a terminal or a pipe as is used. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: 'error' | 'resize', listener: (error: NodeJS.ErrnoException) => void): unknown;
}
export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
}
/**
 * Where a command speaks. With --json every line on stdout is one JSON object and people's text is left out; otherwise text
 * goes to stdout, and on a terminal the last lines can be live. Warnings go to stderr either way. With --quiet neither is said.
 */
export class Output {
  readonly live: boolean;
  readonly #quiet: boolean;
  readonly #update: ReturnType<typeof createLogUpdate> | undefined;
  #view: (() => string) | undefined;
  #shown = '';
  #columns: number;
  #open = true;

  /** @param options `quiet`: neither text nor warnings; errors are told by whoever catches them */
  constructor(
    readonly json: boolean,
    private readonly streams: Streams = process,
    { quiet = false }: { readonly quiet?: boolean } = {},
  ) {
    this.#quiet = quiet;
    this.live = !json && !quiet && streams.stdout.isTTY === true;
    this.#columns = this.columns;
    if (this.live) {
      this.#update = createLogUpdate(streams.stdout as NodeJS.WritableStream, { showCursor: true });
      streams.stdout.on('resize', () => this.#resized());
    }
    // a reader that leaves (| head) ends the text, not the run
    streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#open = false;
    });
  }

  get columns(): number {
    return this.streams.stdout.columns || 100;
  }
  get rows(): number {
    return this.streams.stdout.rows || 24;
  }

  /** One JSON object on a line of its own; only with --json. */
  event(event: string, fields: object): void {
    if (this.json) this.#write(`${JSON.stringify({ event, ...fields }, finite)}\n`);
  }

  /** The last line of a command with --json. */
  summary(fields: object): void {
    this.event('summary', fields);
  }

  line(text = ''): void {
    if (!this.json && !this.#quiet) this.#above(() => this.#write(`${text}\n`));
  }

  warn(text: string): void {
    if (!this.#quiet) this.#above(() => this.streams.stderr.write(`${text}\n`));
  }

  /** Replaces the live lines, on a terminal only. A function is asked again when the terminal has another size. */
  update(view: string | (() => string)): void {
    if (!this.#update || !this.#open) return;
    this.#view = typeof view === 'string' ? () => view : view;
    this.#draw();
  }

  /** Takes the live lines away. */
  clear(): void {
    this.#view = undefined;
    this.#erase();
  }

  #draw(): void {
    if (!this.#update || !this.#view) return;
    this.#shown = this.#view();
    this.#columns = this.columns;
    this.#update(this.#shown);
  }

  #erase(): void {
    if (this.#shown) this.#update?.clear();
    this.#shown = '';
  }

  /** A terminal that became narrower has broken the lines that were too long for it: there are more rows to take away than were drawn. */
  #resized(): void {
    if (!this.#shown || !this.#open) return;
    const { columns } = this;
    if (columns < this.#columns) {
      const more = this.#shown
        .split('\n')
        .map(line => Math.max(0, Math.ceil(stripVTControlCharacters(line).length / columns) - 1))
        .reduce((sum, each) => sum + each, 0);
      this.#write('\u001b[2K\u001b[1A'.repeat(Math.min(more, this.rows)));
    }
    this.#erase();
    this.#draw();
  }

  #above(write: () => void): void {
    this.#erase();
    write();
    if (this.#open) this.#draw();
  }
  #write(text: string): void {
    if (this.#open) this.streams.stdout.write(text);
  }
}

/** JSON has no NaN and no infinity. */
function finite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}
