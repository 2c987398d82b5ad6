import { LiveLines } from './liveLines.ts';

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
 * goes to stdout, and on a terminal that can move its cursor the last lines can be live. Warnings go to stderr either way. With --quiet neither is said.
 */
export class Output {
  readonly live: boolean;
  readonly #quiet: boolean;
  readonly #lines: LiveLines | undefined;
  #view: (() => string) | undefined;
  #open = true;
  #hidden = false;

  /** @param options `quiet`: neither text nor warnings; errors are told by whoever catches them */
  constructor(
    readonly json: boolean,
    private readonly streams: Streams = process,
    { quiet = false }: { readonly quiet?: boolean } = {},
  ) {
    this.#quiet = quiet;
    this.live = !json && !quiet && streams.stdout.isTTY === true && process.env.TERM !== 'dumb';
    if (this.live) {
      this.#lines = new LiveLines(streams.stdout);
      streams.stdout.on('resize', () => this.#draw());
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
  /** For live lines. */
  get liveColumns(): number {
    return this.#lines?.columns ?? this.columns;
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
    if (!this.live) return;
    this.#view = typeof view === 'string' ? () => view : view;
    this.#draw();
  }

  /** Takes the live lines away. */
  clear(): void {
    this.#view = undefined;
    this.#erase();
  }

  /** The terminal is somebody else's for a while (Ctrl-Z): takes the live lines away until `show`. */
  hide(): void {
    this.#hidden = true;
    this.#erase();
  }
  show(): void {
    this.#hidden = false;
    this.#draw();
  }

  #draw(): void {
    if (this.#view && this.#open && !this.#hidden) this.#lines?.draw(this.#view());
  }
  #erase(): void {
    if (this.#open) this.#lines?.erase();
  }

  #above(write: () => void): void {
    this.#erase();
    write();
    this.#draw();
  }
  #write(text: string): void {
    if (this.#open) this.streams.stdout.write(text);
  }
}

/** JSON has no NaN and no infinity. */
function finite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}
