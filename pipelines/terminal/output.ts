import { createLogUpdate } from 'log-update';

/** As much of a terminal or a pipe as is used. */
export interface Sink {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}
export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/**
 * Where a command speaks. With --json every line on stdout is one JSON object and people's text is left out; otherwise text
 * goes to stdout, and on a terminal one last line can be live. Warnings go to stderr either way.
 */
export class Output {
  readonly live: boolean;
  readonly #update: ReturnType<typeof createLogUpdate> | undefined;
  #shown = '';
  #open = true;

  constructor(
    readonly json: boolean,
    private readonly streams: Streams = process,
  ) {
    this.live = !json && streams.stdout.isTTY === true;
    if (this.live) this.#update = createLogUpdate(streams.stdout as NodeJS.WritableStream, { showCursor: true });
    // a reader that leaves (| head) ends the text, not the run
    streams.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#open = false;
    });
  }

  get columns(): number {
    return this.streams.stdout.columns ?? 100;
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
    if (!this.json) this.#above(() => this.#write(`${text}\n`));
  }

  warn(text: string): void {
    this.#above(() => this.streams.stderr.write(`${text}\n`));
  }

  /** Replaces the live line; on a terminal only. */
  update(text: string): void {
    if (!this.#update || !this.#open) return;
    this.#shown = text;
    this.#update(text);
  }

  /** Takes the live line away. */
  clear(): void {
    this.#shown = '';
    this.#update?.clear();
  }

  #above(write: () => void): void {
    const shown = this.#shown;
    if (shown) this.#update?.clear();
    write();
    if (shown) this.#update?.(shown);
  }
  #write(text: string): void {
    if (this.#open) this.streams.stdout.write(text);
  }
}

/** JSON has no NaN and no infinity. */
function finite(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? null : value;
}
