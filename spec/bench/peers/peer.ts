import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Job } from './job.ts';

type Message =
  | { readonly event: 'ready'; readonly about: string }
  | { readonly event: 'ran'; readonly ms: number; readonly loss: number | string }
  | { readonly event: 'cannot'; readonly reason: string };

/** A contender's process, which lives from its first step to the last round. What it cannot do is thrown, as plain text. */
export class Peer {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #lines: Message[] = [];
  readonly #errors: string[] = [];
  #wake: () => void = () => undefined;
  #ended: string | undefined;
  about = '';

  private constructor(
    command: readonly string[],
    readonly job: Job,
  ) {
    this.#folder = mkdtempSync(join(tmpdir(), 'millrace-peer-'));
    const file = join(this.#folder, 'job.json');
    writeFileSync(file, JSON.stringify(job));
    const [program, ...args] = command.map(part => (part === 'JOB' ? file : part));
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout! }).on('line', line => {
      // libraries greet on stdout
      if (line.startsWith('{"event"')) this.#lines.push(JSON.parse(line) as Message);
      this.#wake();
    });
    createInterface({ input: this.#child.stderr! }).on('line', line => {
      if (line.trim()) this.#errors.push(line.trim());
      if (this.#errors.length > 50) this.#errors.shift();
    });
    // a process that is gone already is told by 'exit'
    this.#child.stdin!.on('error', () => undefined);
    this.#child.on('error', error => this.#end(error.message));
    this.#child.on('exit', (code, signal) => this.#end(`it ended with ${signal ?? `status ${code}`}`));
  }

  /** Starts a process and waits until it is ready. In `command`, JOB stands for the file of the job. */
  static async start(command: readonly string[], job: Job, limitMs: number): Promise<Peer> {
    const peer = new Peer(command, job);
    try {
      const message = await peer.#next(limitMs, 'start');
      if (message.event === 'ready') peer.about = message.about;
      return peer;
    } catch (error) {
      peer.close();
      throw error;
    }
  }

  /** Mean milliseconds of `steps` steps. Between its turns the process is stopped: some libraries' threads never sleep. */
  async run(steps: number, limitMs: number): Promise<number> {
    this.#child.kill('SIGCONT');
    try {
      return await this.#run(steps, limitMs);
    } finally {
      this.#child.kill('SIGSTOP');
    }
  }

  async #run(steps: number, limitMs: number): Promise<number> {
    this.#child.stdin!.write(`${JSON.stringify({ steps })}\n`);
    const message = await this.#next(limitMs, steps === 1 ? 'a step' : `${steps} steps`);
    if (message.event !== 'ran') throw new Error('it spoke out of turn');
    if (typeof message.loss !== 'number') throw new Error(`its loss became ${message.loss}`);
    return message.ms;
  }

  /** Ends the process, whatever it is doing. */
  close(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #next(limitMs: number, what: string): Promise<Message> {
    const until = performance.now() + limitMs;
    for (;;) {
      const message = this.#lines.shift();
      if (message?.event === 'cannot') throw new Error(message.reason);
      if (message) return message;
      if (this.#ended !== undefined) throw new Error([this.#ended, ...this.#errors.slice(-1)].join(': '));
      const left = until - performance.now();
      if (left <= 0) throw new Error(`${what} took longer than ${limitMs / 1000} s`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #end(reason: string): void {
    // lines that are on their way come first
    setImmediate(() => {
      this.#ended ??= reason;
      this.#wake();
    });
  }
}
