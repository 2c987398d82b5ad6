import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import { streamSSE } from 'hono/streaming';
import { z } from 'zod';
import { fail, MillraceError } from '../../core/index.ts';
import type { Controls } from '../run/controls.ts';
import type { Hub } from './hub.ts';
import { openMetrics, openMetricsType } from './openMetrics.ts';
import { Outbox } from './outbox.ts';
import { newToken, sameToken } from './token.ts';

/** Only this machine can connect. */
const host = '127.0.0.1';
export const defaultPort = 8127;
/** Ports that are tried, from the one asked for on. */
const tries = 20;
const heartbeatMs = 15_000;
/** After which a page that lost its connection tries again. */
const retryMs = 1000;
/** Pages that are served at once: each has an outbox, and a socket of this process. */
const mostPages = 64;

export interface DashboardOptions {
  readonly hub: Hub;
  /** Of a run that can be steered. */
  readonly controls?: () => Controls | undefined;
  /** The first that is tried; 0: any. */
  readonly port?: number;
}
export interface Dashboard {
  readonly port: number;
  /** Whether the port that was asked for was in use. */
  readonly moved: boolean;
  /** With the token that steering asks for. */
  readonly url: string;
  close(): Promise<void>;
}

const action = z.discriminatedUnion('control', [
  z.strictObject({ control: z.enum(['pause', 'resume', 'stop']) }),
  z.strictObject({ control: z.literal('lr'), lr: z.number().nullable() }),
]);

/**
 * Serves the dashboard to browsers on this machine: the page, its events (server-sent), OpenMetrics, and control of the run for
 * whoever has the token. Nothing is fetched from elsewhere.
 */
export async function serveDashboard({ hub, controls, port = defaultPort }: DashboardOptions): Promise<Dashboard> {
  const token = newToken();
  const outboxes = new Set<Outbox>();
  const app = new Hono();
  let at = port;

  app.use(async (c, next) => {
    // a name that another site made point here (DNS rebinding) is not ours
    // browsers leave the port of http out
    const names = [host, 'localhost'].map(name => (at === 80 ? name : `${name}:${at}`));
    if (!names.includes(c.req.header('host') ?? '')) return c.text(`This dashboard answers to ${names.join(' and ')} alone.\n`, 403);
    await next();
    c.header('X-Content-Type-Options', 'nosniff');
    c.header('Referrer-Policy', 'no-referrer');
    c.header('Cross-Origin-Resource-Policy', 'same-origin');
    c.header('Cache-Control', 'no-store');
    c.header(
      'Content-Security-Policy',
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );
  });
  for (const [path, file, type] of pageFiles) app.get(path, c => c.body(pageFile(file), 200, { 'Content-Type': type }));
  app.get('/metrics', c => c.body(openMetrics(hub), 200, { 'Content-Type': openMetricsType }));
  app.get('/events', c => {
    if (outboxes.size >= mostPages) return c.text(`${mostPages} pages are open already. Close some of them.\n`, 503);
    return streamSSE(c, async stream => {
      const outbox = new Outbox(() => hub.history());
      outboxes.add(outbox);
      const subscription = hub.events$.subscribe(event => outbox.put(event));
      stream.onAbort(() => outbox.close());
      try {
        await stream.write(`retry: ${retryMs}\n\n`);
        for (;;) {
          const events = await outbox.take(heartbeatMs);
          if (!events) break;
          if (events.length === 0) await stream.write(': still here\n\n');
          for (const { event, data } of events) await stream.writeSSE({ event, data: JSON.stringify(data) });
        }
      } finally {
        subscription.unsubscribe();
        outboxes.delete(outbox);
      }
    });
  });
  app.post('/control', bodyLimit({ maxSize: 1024 }), async c => {
    const origin = c.req.header('origin');
    if (origin !== undefined && origin !== `http://${c.req.header('host')}`) return c.json({ error: 'a request of another site' }, 403);
    if (!sameToken(c.req.header('authorization')?.replace(/^Bearer /, ''), token)) {
      return c.json({ error: 'Steering needs the token of the address that the terminal printed.' }, 401);
    }
    return steer(c, controls?.());
  });
  app.notFound(c => c.text('There is nothing here. The dashboard is at /, its metrics are at /metrics.\n', 404));

  // what failed inside is told in the terminal's words or not at all: never with a stack
  app.onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    return c.text(`${error instanceof MillraceError ? error.message : 'The dashboard failed at this.'}\n`, 500);
  });

  const server = createAdaptorServer({ fetch: app.fetch });
  at = await listen(server, port);
  return {
    port: at,
    moved: port !== 0 && at !== port,
    url: `http://${host}:${at}/${controls ? `#token=${token}` : ''}`,
    async close() {
      for (const outbox of outboxes) outbox.close();
      const closed = new Promise<void>(resolve => server.close(() => resolve()));
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}

async function steer(c: Context, controls: Controls | undefined): Promise<Response> {
  const asked = action.safeParse(await c.req.json().catch(() => undefined));
  if (!asked.success) {
    return c.json(
      { error: 'Send {"control":"pause"}, "resume" or "stop", or {"control":"lr","lr":0.01}, or "lr":null for the schedule.' },
      400,
    );
  }
  if (!controls || controls.state.stopping) return c.json({ error: 'This run has ended: there is nothing to steer.' }, 409);
  try {
    controls.act(asked.data);
  } catch (error) {
    if (error instanceof MillraceError) return c.json({ error: error.message }, 400);
    throw error;
  }
  return c.json(controls.state);
}

/** The page as the build made it. */
const pageFiles = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/page.css', 'page.css', 'text/css; charset=utf-8'],
] as const;

function pageFile(name: string): string {
  const path = new URL(`./build/${name}`, import.meta.url);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw fail('state', 'dashboard', `the page's ${name}`, 'none', 'Build it: npm run page.', error);
  }
}

/** The port asked for, or the next free one. */
async function listen(server: ServerType, port: number): Promise<number> {
  for (let at = port; ; at++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(at, host, () => {
          server.off('error', reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && at < port + tries - 1 && at < 65535) continue;
      const fix =
        code === 'EACCES' ? 'Give a port from 1024 on: --dashboard 8127.' : `Give another port: --dashboard ${Math.min(65535, at + 1000)}.`;
      throw fail(
        'usage',
        '--dashboard',
        `a free port from ${port} to ${Math.min(65535, port + tries - 1)}`,
        `${code} at ${at}`,
        fix,
        error,
      );
    }
  }
}
