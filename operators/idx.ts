import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import { checkLabel } from '../core/data/label.ts';
import { checkReaches } from '../core/data/pipelineState.ts';
import { pull } from '../core/data/pull.ts';
import type { Sample, SourceOptions } from '../core/data/sample.ts';
import { fail } from '../core/errors.ts';
import { type IdxFile, openIdx } from '../core/formats/idx.ts';

export interface IdxOptions extends SourceOptions {
  /** The file of labels that belongs to the images. */
  readonly labels: string;
  /** A label from this on is an error; by default any byte will do. */
  readonly classes?: number;
}

/** MNIST-style pairs of IDX files, packed with gzip or not: `train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz`.
 *
 *   idx('train-images-idx3-ubyte.gz', { labels: 'train-labels-idx1-ubyte.gz' })
 *     out: --a--b----c--|      pulled: each as soon as there is room; c waited for it
 *
 *  Shapes: picture kind `raw`, [H,W,1] u8 from [N,H,W], or [H,W,C] u8 from [N,H,W,C].  Order: as in the file.
 *  Holds: one picture and a few chunks of 64 KiB; the files are streamed.  Runs: main thread, gzip on libuv's threads.
 *  Owns: two open files; closed at the end, on error and at once on unsubscribe.
 *  Errors: wrong magic, type or dimensions; images and labels of different number; files cut off or damaged; a label out of range.
 *  See also: {@link imageFolder}, {@link webDataset}, {@link openDataSet}. */
export function idx(images: string, { labels, classes, ...options }: IdxOptions): Observable<Sample> {
  return pull(
    async function* ({ start, wanted }, signal) {
      const name = basename(images);
      const opened: IdxFile[] = [];
      try {
        const pictures = await openIdx(images, [3, 4], signal);
        opened.push(pictures);
        const answers = await openIdx(labels, [1], signal);
        opened.push(answers);
        const [count, height, width, channels = 1] = pictures.header.dims;
        checkChannels(images, channels);
        if (answers.header.dims[0] !== count) {
          const fix = 'Check that both files belong to the same split.';
          throw fail('data', labels, `${count} labels, as ${name} has images`, String(answers.header.dims[0]), fix);
        }
        checkReaches(images, count, start);
        const answer = answers.items(start);
        let index = start;
        for await (const pixels of pictures.items(start)) {
          const { value } = await answer.next();
          const key = `${name}#${index}`;
          const label = checkLabel(value?.[0] ?? 0, key, classes);
          yield wanted(index) ? { key, label, index, picture: { kind: 'raw', pixels, height, width, channels } } : undefined;
          index++;
        }
        // Reads on to the end, where a labels file that is too long is noticed.
        await answer.next();
      } finally {
        for (const file of opened) file.close();
      }
    },
    options,
    { jumps: true },
  );
}

function checkChannels(images: string, channels: number): void {
  if (channels === 1 || channels === 3) return;
  throw fail('data', images, 'images of 1 or 3 channels', `${channels} in the fourth dimension`, 'Store images as [N,H,W] or [N,H,W,3].');
}
