import { resolve } from 'node:path';
import { Hub } from '../dashboard/hub.ts';
import { Replay } from '../dashboard/replay.ts';
import { serveDashboard } from '../dashboard/server.ts';
import type { Output } from '../terminal/output.ts';
import { onInterrupt } from './interrupt.ts';
import { tellDashboard } from './tellDashboard.ts';

/** Shows a run from its folder until Ctrl-C. Returns the exit status. */
export async function dashboard(dir: string, { port }: { readonly port?: number }, output: Output): Promise<number> {
  const hub = new Hub();
  const replay = await Replay.open(resolve(dir), hub);
  const interrupt = onInterrupt(output, 'Closing the dashboard.');
  try {
    const served = await serveDashboard({ hub, ...(port !== undefined && { port }) });
    try {
      tellDashboard(served, output, port);
      output.line('Ctrl-C ends it.');
      replay.follow();
      if (!interrupt.signal.aborted) await new Promise(done => interrupt.signal.addEventListener('abort', done, { once: true }));
      output.summary({ run: resolve(dir), port: served.port });
    } finally {
      await served.close();
    }
  } finally {
    replay.close();
    interrupt.close();
  }
  return 0;
}
