import type { Dashboard } from '../dashboard/server.ts';
import { defaultPort } from '../dashboard/server.ts';
import { color } from '../terminal/color.ts';
import type { Output } from '../terminal/output.ts';

/** Where the dashboard is, for people and programs. */
export function tellDashboard({ url, port, moved }: Dashboard, output: Output, asked = defaultPort): void {
  output.event('dashboard', { url, port });
  output.line(`${color.dim('dashboard'.padEnd(9))} ${color.cyan(url)}${moved ? ` (port ${asked} is in use)` : ''}`);
}
