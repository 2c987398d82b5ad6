import { HubFeed } from '../dashboard/feedHub.ts';
import { Hub } from '../dashboard/hub.ts';
import type { End } from '../dashboard/protocol.ts';
import { type Dashboard, defaultPort, serveDashboard } from '../dashboard/server.ts';
import type { Output } from '../terminal/output.ts';
import { tellDashboard } from './tellDashboard.ts';

/** Pages get the end of a run before the server goes. */
const lastWordsMs = 400;

/** The dashboard of a run in this process, open as long as the run. */
export class LiveDashboard {
  private constructor(
    readonly feed: HubFeed,
    private readonly hub: Hub,
    private readonly served: Dashboard,
  ) {}

  static async open(asked: number | true, output: Output): Promise<LiveDashboard> {
    const hub = new Hub();
    const feed = new HubFeed(hub);
    const port = asked === true ? defaultPort : asked;
    const served = await serveDashboard({ hub, port, controls: () => feed.controls });
    tellDashboard(served, output, port);
    return new LiveDashboard(feed, hub, served);
  }

  end(end: End): void {
    this.feed.end(end);
  }

  async close(): Promise<void> {
    if (this.hub.pages > 0) await new Promise(resolve => setTimeout(resolve, lastWordsMs));
    await this.served.close();
  }
}
