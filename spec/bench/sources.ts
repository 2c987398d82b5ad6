/**
 * How many samples a second each source delivers to a consumer that drops everything.
 *
 *   npx tsx spec/bench/sources.ts DIR...      each a folder that openDataSet recognises
 */
import { count, lastValueFrom } from 'rxjs';
import { MeterSet } from '../../core/meter.ts';
import { openDataSet } from '../../operators/index.ts';

for (const dir of process.argv.slice(2)) {
  const set = await openDataSet(dir, { split: 'train' });
  console.log(set.description);
  // The second pass counts: the first one also warms the compiler and the page cache.
  for (const pass of ['first', 'second']) {
    const meters = new MeterSet();
    const began = performance.now();
    const samples = await lastValueFrom(set.samples({ meters }).pipe(count()));
    const seconds = (performance.now() - began) / 1000;
    const { bytes, busyMs } = meters.stage('source');
    const rate = Math.round(samples / seconds).toLocaleString('en-US');
    const megabytes = (bytes / seconds / 1e6).toFixed(1);
    console.log(
      `  ${pass} pass: ${samples} samples, ${rate} samples/s, ${megabytes} MB/s, reading ${((busyMs / seconds) * 0.1).toFixed(0)} % of the time`,
    );
  }
}
