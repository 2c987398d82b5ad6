/**
 * An archive shaped like ILSVRC2012_img_train.tar, with 1,281,167 tiny entries, and what it takes to open it.
 *
 *   npx tsx spec/bench/archive.ts make DIR [FILES]      writes it (1.3 GB): 1,000 archives inside, names in no order
 *   npx tsx spec/bench/archive.ts open DIR              seconds until the data set is there; memory of the whole process.
 *                                                       The first time the index is made; run it again for a second start
 *   npx tsx spec/bench/archive.ts walk DIR [SYNSET]     one epoch in random order, dropped at once: all, or what is below SYNSET
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { count, lastValueFrom } from 'rxjs';
import { openHierarchy } from '../../core/data/imagenet/openHierarchy.ts';
import { hash } from '../../core/random.ts';
import { openDataSet, withinSynsets } from '../../operators/index.ts';

const [command, dir, argument] = process.argv.slice(2);
const classes = 1000;
const began = performance.now();
const seconds = (since = began) => `${((performance.now() - since) / 1000).toFixed(2)} s`;
const megabytes = () =>
  `${Math.round(process.memoryUsage().rss / 1e6)} MB resident, at most ${Math.round(process.resourceUsage().maxRSS / 1e3)} MB`;

if (command === 'make') make(dir, Number(argument ?? 1_281_167));
else if (command === 'open') {
  const set = await openDataSet(dir, { split: 'train' });
  console.log(`${set.description}\n  ${seconds()} to open (${seconds(0)} since the process began), ${megabytes()}`);
} else {
  const whole = await openDataSet(dir, { split: 'train' });
  const set = argument === undefined ? whole : withinSynsets(whole, (await openHierarchy(whole.classes, { dir })).hierarchy, [argument]);
  console.log(`${set.description}\n  ${seconds()} to open, ${megabytes()}`);
  const walking = performance.now();
  let first = 0;
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const samples = await lastValueFrom(
    set.samples({ order: 'random', seed: 1 }).pipe(
      count(() => {
        first ||= performance.now() - walking;
        return true;
      }),
    ),
  );
  clearInterval(timer);
  const each = ((performance.now() - walking) / samples) * 1000;
  console.log(
    `  ${samples} samples in ${seconds(walking)}, ${each.toFixed(2)} microseconds each, the first after ${first.toFixed(0)} ms, ` +
      `other work held up ${longest.toFixed(0)} ms at most, ${megabytes()}`,
  );
}

/** The ids are of WordNet's own nouns, so that there are mammals among them. */
function make(folder: string, files: number): void {
  mkdirSync(folder, { recursive: true });
  const nouns = readFileSync('/usr/share/wordnet/data.noun', 'latin1').match(/^\d{8} 05 .*$/gm)!;
  const others = readFileSync('/usr/share/wordnet/data.noun', 'latin1').match(/^\d{8} 06 .*$/gm)!;
  const ids = [...nouns.slice(-classes / 2), ...others.slice(0, classes / 2)].map(line => `n${line.slice(0, 8)}`);
  const out = openSync(join(folder, 'ILSVRC2012_img_train.tar'), 'w');
  for (const [place, id] of ids.entries()) {
    const own = Math.floor(((place + 1) * files) / classes) - Math.floor((place * files) / classes);
    const inside = Buffer.alloc(1024 * own + 1024);
    for (let i = 0; i < own; i++) {
      // distinct numbers, as scattered as ImageNet's
      const number = i * 17 + (hash(place, i) % 17);
      header(inside, 1024 * ((i * 7919) % own), `${id}_${number}.JPEG`, 1);
      inside[1024 * i + 512] = 0xff;
    }
    const outer = Buffer.alloc(512);
    header(outer, 0, `${id}.tar`, inside.length);
    writeSync(out, outer);
    writeSync(out, inside);
  }
  writeSync(out, Buffer.alloc(1024));
  closeSync(out);
  console.log(`${files} files in ${classes} archives, ${seconds()}`);
}

function header(into: Buffer, at: number, name: string, size: number): void {
  const fields = Buffer.alloc(512);
  fields.write(name);
  fields.write('0000644\x000000000\x000000000\x00', 100);
  fields.write(`${size.toString(8).padStart(11, '0')}\x0000000000000\x00        0`, 124);
  fields.write('ustar\x0000', 257, 'latin1');
  const sum = fields.reduce((total, byte) => total + byte, 0);
  fields.write(`${sum.toString(8).padStart(6, '0')}\x00 `, 148);
  fields.copy(into, at);
}
