import type { Events } from '../protocol.ts';
import { byId, element } from './dom.ts';
import { bytes, figure, share } from './format.ts';

/** What the device holds by kind of tensor, and what the process uses. */
export function showMemory({ look, memory }: Events['look']): void {
  const { device, machine, places, slots } = look;
  const row = (name: string, value: string, part?: number) => {
    const cells = [element('th', { scope: 'row' }, name), element('td', {}, value), element('td', { class: 'share' })];
    if (part !== undefined) {
      const filled = element('span');
      filled.style.width = `${Math.round(100 * Math.min(1, part))}%`;
      cells[2]!.append(element('div', { class: 'gauge' }, filled));
    }
    return element('tr', {}, ...cells);
  };
  const kinds = device?.memory ? Object.entries(device.memory).filter(([kind]) => kind !== 'total') : [];
  const total = device?.memory?.total ?? 1;
  byId('memory').replaceChildren(
    element(
      'table',
      {},
      element(
        'tbody',
        {},
        ...(device ? [row(device.description, `busy ${share(device.busyShare)}`, device.busyShare)] : []),
        ...kinds.map(([kind, size]) => row(`device: ${kind}`, bytes(size), size / total)),
        row('device in all', bytes(memory.device)),
        row('process (resident)', bytes(memory.rss)),
        row('cores at work', `${figure(machine.busyCores)} of ${machine.cores}`, machine.busyCores / machine.cores),
        row('main thread', `busy ${share(machine.mainThreadShare)}`, machine.mainThreadShare),
        row('samples in the pipeline', `${places.inside} of ${places.bound}`, places.inside / Math.max(1, places.bound)),
        ...(slots ? [row('pixels in shared memory', bytes(slots.bytes), slots.inUse / Math.max(1, slots.cells))] : []),
      ),
    ),
  );
}
