import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { isWnid, mappingFile } from './imagenet/synsets.ts';
import type { Box, DataSet } from './sample.ts';
import { boxesText } from './shardBoxes.ts';
import { boxesExtension } from './shardGroup.ts';
import { indexOf, indexShard, saveShardIndex } from './shardIndex.ts';

/** What goes into a shard for one sample. */
export interface ShardSample {
  /** Without dots; of its own within all shards. */
  readonly key: string;
  /** `jpg` */
  readonly extension: string;
  /** The file as it is. */
  readonly image: Uint8Array;
  readonly label: number;
  readonly boxes?: readonly Box[];
}
export interface WrittenShard {
  readonly name: string;
  readonly samples: number;
  readonly bytes: number;
}

/** What files are called until all are written. */
export const draftSuffix = '.partial';

const block = 512;
/** Header, content and padding of a file; two blocks of zeros at an archive's end. */
const entryBytes = (bytes: number): number => block + Math.ceil(bytes / block) * block;
const endBytes = 2 * block;

/**
 * Writes samples into WebDataset shards `PREFIX-00000.tar`, each of at most `mostBytes` unless a single sample is longer, and
 * an index beside each. The same samples give the same bytes. Every file is called `….partial`: whoever made the writer renames
 * them when all is well. Errors are the system's.
 */
export class ShardWriter {
  readonly written: WrittenShard[] = [];
  #open: OpenShard | undefined;

  constructor(
    private readonly dir: string,
    private readonly prefix: string,
    private readonly mostBytes: number,
  ) {}

  async add({ key, extension, image, label, boxes }: ShardSample): Promise<void> {
    const text = Buffer.from(String(label));
    const sidecar = boxes && boxes.length > 0 ? Buffer.from(boxesText(boxes)) : undefined;
    const bytes = entryBytes(image.length) + entryBytes(text.length) + (sidecar ? entryBytes(sidecar.length) : 0);
    if (this.#open && this.#open.bytes + bytes > this.mostBytes) await this.#close();
    const place = `${this.prefix}-${String(this.written.length).padStart(5, '0')}.tar`;
    this.#open ??= new OpenShard(this.dir, place);
    const shard = this.#open;
    await shard.file(`${key}.${extension}`, image);
    await shard.file(`${key}.cls`, text);
    if (sidecar) await shard.file(`${key}.${boxesExtension}`, sidecar);
    shard.samples++;
    shard.bytes += bytes;
  }

  async finish(): Promise<readonly WrittenShard[]> {
    if (this.#open) await this.#close();
    return this.written;
  }
  /** Leaves what is written as it is. */
  async abandon(): Promise<void> {
    await this.#open?.destroy();
    this.#open = undefined;
  }

  async #close(): Promise<void> {
    const shard = this.#open!;
    const path = await shard.end();
    const { size } = await stat(path);
    // made from the very file, so that it cannot differ
    await saveShardIndex(await indexShard(path), join(this.dir, `${indexOf(shard.name)}${draftSuffix}`), size);
    this.written.push({ name: shard.name, samples: shard.samples, bytes: size });
    this.#open = undefined;
  }
}

/** What lies beside the shards, by file name: the classes, their names where they are synsets, and how many samples each shard has. */
export function shardLists(
  { classes, names }: Pick<DataSet, 'classes' | 'names'>,
  shards: readonly WrittenShard[],
): ReadonlyMap<string, string> {
  const counts = { shards: Object.fromEntries(shards.map(({ name, samples }) => [name, samples])) };
  const lists = new Map([
    ['classes.txt', `${classes.join('\n')}\n`],
    ['index.json', `${JSON.stringify(counts, undefined, 2)}\n`],
  ]);
  if (names && classes.every(isWnid)) lists.set(mappingFile, `${classes.map((id, i) => `${id} ${names[i]}`).join('\n')}\n`);
  return lists;
}

class OpenShard {
  samples = 0;
  bytes = endBytes;
  readonly #path: string;
  readonly #pack: Pack = pack();
  readonly #done: Promise<void>;

  constructor(
    dir: string,
    readonly name: string,
  ) {
    this.#path = join(dir, `${name}${draftSuffix}`);
    // flushed before it is closed: a crash after the renaming finds it whole
    const file = createWriteStream(this.#path, { flush: true });
    this.#done = finished(this.#pack.pipe(file));
    file.on('error', error => this.#pack.destroy(error));
    this.#pack.on('error', () => undefined);
    // told by whoever waits next
    this.#done.catch(() => undefined);
  }
  /** Resolves when the stream has room again. */
  file(name: string, content: Uint8Array): Promise<void> {
    const entry = new Promise<void>((resolve, reject) => {
      const header = { name, mtime: new Date(0), mode: 0o644, uid: 0, gid: 0, size: content.length };
      const sink = this.#pack.entry(header, Buffer.from(content.buffer, content.byteOffset, content.length), error =>
        error ? reject(error) : resolve(),
      );
      // when the file fails, the entry does too
      sink.on('error', reject);
    });
    const failure = this.#done.then(() => {
      throw new Error('the shard was closed meanwhile');
    });
    return Promise.race([entry, failure]);
  }
  async end(): Promise<string> {
    this.#pack.finalize();
    await this.#done;
    return this.#path;
  }
  async destroy(): Promise<void> {
    this.#pack.destroy();
    await this.#done.catch(() => undefined);
  }
}
