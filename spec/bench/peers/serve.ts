import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Job } from './job.ts';

/**
 * A contender's side of the protocol: lines of JSON. It is given the path of a job, says `{"event":"ready","about":…}` or
 * `{"event":"cannot","reason":…}`, and answers every `{"steps":n}` on stdin by `{"event":"ran","ms":…}`, the mean of n steps.
 */
export interface Contender {
  /** Name, version and device, for people. */
  readonly about: string;
  /** Runs n steps and resolves when the last one is done; with its loss, so that nothing can be left out. */
  run(steps: number): Promise<number>;
}

const say = (message: object): boolean => process.stdout.write(`${JSON.stringify(message)}\n`);
export const jobOf = (): Job => JSON.parse(readFileSync(process.argv[2], 'utf8')) as Job;

export async function serve(open: (job: Job) => Promise<Contender>): Promise<void> {
  try {
    const contender = await open(jobOf());
    say({ event: 'ready', about: contender.about });
    for await (const line of createInterface({ input: process.stdin })) {
      const { steps } = JSON.parse(line) as { steps: number };
      const began = performance.now();
      const loss = await contender.run(steps);
      say({ event: 'ran', ms: (performance.now() - began) / steps, loss: Number.isFinite(loss) ? loss : String(loss) });
    }
  } catch (error) {
    say({ event: 'cannot', reason: String((error as Error).message ?? error) });
  }
  process.exit(0);
}
