import { filter, map } from 'rxjs';
import type { DataSet, Sample } from './sample.ts';

export interface NewLabels {
  readonly classes: readonly string[];
  readonly names?: readonly string[];
  /** By old label: the new one, or -1 where the samples are left out. */
  readonly labels: Int32Array;
  readonly description: string;
}

/**
 * A data set with other labels, boxes' too; samples without one are left out, and so are boxes. An indexed source never visits
 * what is left out; from others it gives its place in the pipeline back at once. A sample's `index` stays its place in the whole set, so that what is random about it does too.
 */
export function relabel(set: DataSet, { classes, names, labels, description }: NewLabels): DataSet {
  const counts = set.counts && countsOf(set.counts, labels, classes.length);
  // while every sample is kept, their number is known even without counts
  const size = counts ? counts.reduce((sum, count) => sum + count, 0) : labels.every(label => label >= 0) ? set.size : undefined;
  return {
    description,
    ...(set.warnings && { warnings: set.warnings }),
    classes,
    ...(names && { names }),
    ...(counts && { counts }),
    size,
    ...(set.indexed && { indexed: true }),
    samples: options =>
      // sources that know their labels never come to what is left out; for the others there is the filter
      set.samples({ ...options, keep: label => labels[label] >= 0 && (options?.keep?.(labels[label]) ?? true) }).pipe(
        filter(({ label }) => labels[label] >= 0),
        map(sample => withLabels(sample, labels)),
      ),
  };
}

function withLabels(sample: Sample, labels: Int32Array): Sample {
  const label = labels[sample.label];
  if (!sample.boxes) return { ...sample, label };
  const boxes = sample.boxes.filter(box => labels[box.label] >= 0).map(box => ({ ...box, label: labels[box.label] }));
  return { ...sample, label, boxes };
}

function countsOf(before: readonly number[], labels: Int32Array, classes: number): number[] {
  const counts: number[] = Array(classes).fill(0);
  for (const [old, count] of before.entries()) if (labels[old] >= 0) counts[labels[old]] += count;
  return counts;
}
