import type { Durations } from './snapshot.ts';

/** The first bucket ends here, each other one at `growth` times the end of the one before: the last ends after two hours. */
const firstMs = 1e-3;
const growth = 1.1;
const buckets = 240;
const perBucket = 1 / Math.log(growth);

/** Durations in buckets of equal width on a logarithmic scale. Its size is fixed: recording allocates nothing. */
export class Histogram {
  readonly counts = new Float64Array(buckets);
  count = 0;
  sumMs = 0;
  maxMs = 0;

  /** `count` items of the same duration. */
  record(ms: number, count = 1): void {
    const bucket = ms <= firstMs ? 0 : Math.min(buckets - 1, Math.ceil(Math.log(ms / firstMs) * perBucket));
    this.counts[bucket] += count;
    this.count += count;
    this.sumMs += ms * count;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  read(): HistogramReading {
    return { counts: this.counts.slice(), count: this.count, sumMs: this.sumMs, maxMs: this.maxMs };
  }
}

export interface HistogramReading {
  readonly counts: Float64Array;
  readonly count: number;
  readonly sumMs: number;
  readonly maxMs: number;
}

/** What was recorded, or what was recorded since an earlier reading. */
export function durations({ counts, count, sumMs, maxMs }: HistogramReading, since?: HistogramReading): Durations {
  const n = count - (since?.count ?? 0);
  if (n <= 0) return { count: 0, meanMs: Number.NaN, p50Ms: Number.NaN, p95Ms: Number.NaN, p99Ms: Number.NaN, maxMs: Number.NaN };
  const of = (bucket: number) => counts[bucket] - (since?.counts[bucket] ?? 0);
  const end = (bucket: number) => firstMs * growth ** bucket;
  let last = buckets - 1;
  while (last > 0 && of(last) === 0) last--;
  // the largest of all is not always one of these
  const max = Math.min(maxMs, end(last));
  const quantile = (share: number) => {
    let left = share * n;
    for (let bucket = 0; bucket <= last; bucket++) {
      left -= of(bucket);
      // the bucket's middle on the same scale
      if (left <= 1e-9) return Math.min(max, end(bucket) / Math.sqrt(growth));
    }
    return max;
  };
  return {
    count: n,
    meanMs: (sumMs - (since?.sumMs ?? 0)) / n,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    maxMs: max,
  };
}
