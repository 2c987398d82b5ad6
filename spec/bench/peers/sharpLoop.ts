/** Worker threads that do nothing but call sharp for the same work: sharpLoop.ts FOLDER WORKERS SECONDS. Prints {"images_per_s": …}. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { resizedCropRegion } from '../../../core/data/geometry.ts';
import { threadEntry } from '../../../core/thread.ts';

const warmUpMs = 1500;

if (isMainThread) {
  const [folder, workers, seconds] = process.argv.slice(2);
  let count = 0;
  for (let i = 0; i < Number(workers); i++) {
    const worker = new Worker(threadEntry(import.meta.url, './sharpLoop'), { workerData: folder });
    worker.on('message', (done: number) => {
      count += done;
    });
  }
  setTimeout(() => {
    count = 0;
    const began = performance.now();
    setTimeout(() => {
      console.log(JSON.stringify({ images_per_s: (count * 1000) / (performance.now() - began) }));
      process.exit(0);
    }, Number(seconds) * 1000);
  }, warmUpMs);
} else {
  sharp.concurrency(1);
  sharp.cache(false);
  const train = join(workerData as string, 'train');
  const files = readdirSync(train, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.jpg'));
  for (let i = 0; ; i++) {
    const bytes = readFileSync(join(train, files[Math.floor(Math.random() * files.length)]));
    const { width, height } = await sharp(bytes).metadata();
    const draws = Array.from({ length: 40 }, Math.random);
    const region = resizedCropRegion({ height, width }, { scale: [0.08, 1], ratio: [3 / 4, 4 / 3], draws });
    await sharp(bytes)
      .extract(region)
      .resize(224, 224, { fit: 'fill', kernel: 'linear' })
      .flop(Math.random() < 0.5)
      .raw()
      .toBuffer();
    if (i % 8 === 7) parentPort!.postMessage(8);
  }
}
