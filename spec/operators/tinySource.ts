import { Observable } from 'rxjs';
import { Demand } from '../../core/data/demand.ts';
import { applyTransforms, withChannels } from '../../core/data/rawPixels.ts';
import type { Picture, Sample } from '../../core/data/sample.ts';
import type { TaskEnd, TaskPool } from '../../core/pool/taskPool.ts';
import { hash } from '../../core/random.ts';
import type { DecodeInput, DecodeOutput } from '../../core/tasks/decodeImage.ts';

/** A grey picture, all of whose pixels are its index. */
export const flat = (index: number, height = 2, width = 2): Picture => ({
  kind: 'raw',
  pixels: new Uint8Array(height * width).fill(index % 256),
  height,
  width,
  channels: 1,
});
/** A picture that no decoder can read. */
export const broken: Picture = { kind: 'encoded', bytes: new TextEncoder().encode('not an image') };

/** A sample outside of any source, for marbles: its lease has no holder yet but the one that `tinySource` would be. */
export function sampleOf(
  index: number,
  demand: Demand,
  { picture = flat(index), epoch = 0, seed = 1 }: { picture?: Picture; epoch?: number; seed?: number } = {},
): Sample {
  return { key: `s${index}`, label: index, index, position: index, epoch, seed, picture, lease: demand.enter() };
}

/** A cold, pulled source as core/data/demand.ts asks for: it lets samples in one by one while there is room. */
export function tinySource(
  count: number,
  {
    demand = new Demand(),
    picture = (index: number) => flat(index),
    seed = 1,
    epochs = 1,
  }: { demand?: Demand; picture?: (index: number) => Picture; seed?: number; epochs?: number } = {},
): Observable<Sample> {
  return new Observable(subscriber => {
    void (async () => {
      await null;
      for (let i = 0; i < count * epochs && !subscriber.closed; i++) {
        while (!demand.room && !subscriber.closed) await demand.whenRoom();
        if (subscriber.closed) return;
        const index = i % count;
        const sample = sampleOf(index, demand, { picture: picture(index), epoch: Math.floor(i / count), seed });
        subscriber.next(sample);
        sample.lease.release();
      }
      subscriber.complete();
    })();
  });
}

/** Raw pictures only: enough for marbles. */
function decodeAtOnce({ picture, transforms, channels, cell }: DecodeInput): DecodeOutput {
  if (picture.kind !== 'raw') return { ok: false, reason: 'it is not raw' };
  const image = withChannels(applyTransforms({ ...picture, data: picture.pixels }, transforms), channels);
  const larger = image.data.length > cell.byteLength ? new SharedArrayBuffer(image.data.length) : undefined;
  new Uint8Array(larger ?? cell).set(image.data);
  const upright = { height: picture.height, width: picture.width };
  return { ok: true, height: image.height, width: image.width, channels: image.channels, upright, larger };
}

/** Runs each task inside `submit`, in virtual time so to speak. */
export class ImmediatePool implements TaskPool {
  readonly workers = 1;
  submitted = 0;
  closed = false;
  submit<Input, Output>(_task: string, input: Input, done: (end: TaskEnd<Output>) => void): { cancel(): boolean } {
    this.submitted++;
    done({ ok: true, value: decodeAtOnce(input as DecodeInput) as Output, busyMs: 0 });
    return { cancel: () => false };
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Ends tasks in an order of its own: after 0 to 4 ms, by hash. `never` keeps them all. */
export class StrayPool implements TaskPool {
  readonly workers = 4;
  pending = 0;
  #count = 0;
  constructor(private readonly never = false) {}
  submit<Input, Output>(_task: string, input: Input, done: (end: TaskEnd<Output>) => void): { cancel(): boolean } {
    this.pending++;
    const end = () => {
      this.pending--;
      done({ ok: true, value: decodeAtOnce(input as DecodeInput) as Output, busyMs: 1 });
    };
    const timer = this.never ? undefined : setTimeout(end, hash(7, this.#count++) % 5);
    return {
      cancel: () => {
        this.pending--;
        clearTimeout(timer);
        return true;
      },
    };
  }
  async close(): Promise<void> {}
}
