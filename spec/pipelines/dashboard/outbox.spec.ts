import assert from 'node:assert/strict';
import { Outbox } from '../../../pipelines/dashboard/outbox.ts';
import type { DashboardEvent, Events } from '../../../pipelines/dashboard/protocol.ts';

const history = { steps: { step: [] }, epochs: [], controls: [] } as unknown as Events['history'];
const steps = (from: number, count: number): DashboardEvent => ({
  event: 'steps',
  data: Array.from({ length: count }, (_, i) => ({ step: from + i })) as unknown as Events['steps'],
});
const epoch = (n: number): DashboardEvent => ({ event: 'epoch', data: { epoch: n } as unknown as Events['epoch'] });
const end = (text: string): DashboardEvent => ({ event: 'end', data: { outcome: 'done', text } });

describe('Outbox', () => {
  it('should join steps and keep only the newest of what is replaced @smoke', async () => {
    const outbox = new Outbox(() => history);
    for (const event of [steps(1, 2), end('a'), steps(3, 1), end('b')]) outbox.put(event);
    const taken = (await outbox.take(10))!;
    assert.deepEqual(
      taken.map(({ event, data }) => (event === 'steps' ? data.map(({ step }) => step) : event === 'end' ? data.text : event)),
      [[1, 2, 3], 'b'],
    );
    assert.deepEqual(await outbox.take(5), []);
  });

  it('should send the history to a page that is far behind, however much comes', async () => {
    const outbox = new Outbox(() => history);
    for (let i = 0; i < 100; i++) outbox.put(steps(i * 500, 500));
    const names = (await outbox.take(10))!.map(({ event }) => event);
    assert.ok(names.includes('history'));
    const second = new Outbox(() => history);
    for (const event of [epoch(0), epoch(1), steps(1, 1)]) second.put(event);
    assert.deepEqual(
      (await second.take(10))!.map(({ event }) => event),
      ['history', 'steps'],
    );
  });

  it('should wake a reader that waits, and let it go when closed', async () => {
    const outbox = new Outbox(() => history);
    const taken = outbox.take(10_000);
    outbox.put(end('now'));
    assert.equal((await taken)!.length, 1);
    const waiting = outbox.take(10_000);
    outbox.close();
    assert.equal(await waiting, undefined);
  });
});
