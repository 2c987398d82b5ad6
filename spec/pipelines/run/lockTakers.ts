/** A process that takes a run folder again and again among others, and half of the time leaves its lock as one that was killed does. */
import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../../../core/index.ts';
import { lockRun } from '../../../pipelines/run/runLock.ts';

const [folder, log, dead] = process.argv.slice(2);
const times = 30;
appendFileSync(log, `ready ${process.pid}\n`);
readFileSync(0);
for (let taken = 0; taken < times; ) {
  let unlock: () => void;
  try {
    unlock = lockRun(folder);
  } catch (error) {
    if (error instanceof MillraceError && error.kind === 'usage') continue;
    throw error;
  }
  appendFileSync(log, `in ${process.pid}\n`);
  appendFileSync(log, `out ${process.pid}\n`);
  if (++taken % 2 === 0) unlock();
  else {
    const stale = join(folder, `stale-${process.pid}`);
    writeFileSync(stale, JSON.stringify({ pid: Number(dead), host: hostname(), id: randomUUID() }));
    renameSync(stale, join(folder, 'run.lock'));
  }
}
