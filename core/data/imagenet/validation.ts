import { fail } from '../../errors.ts';

/** The number in `ILSVRC2012_val_00000293.JPEG`, from 1; undefined for other names. */
export function validationNumber(name: string): number | undefined {
  const match = /ILSVRC2012_val_(\d{8})\.[A-Za-z]+$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Labels of validation images by the numbers in their names. Errors for a name without one, and for one that the truth lacks. */
export function validationLabels(where: string, names: Iterable<string>, truth: readonly number[], source: string): Int32Array {
  const labels: number[] = [];
  for (const name of names) {
    const number = validationNumber(name);
    if (number === undefined) {
      const fix = 'Remove what does not belong to the validation images.';
      throw fail('data', `${where}, image ${JSON.stringify(name)}`, 'a name like ILSVRC2012_val_00000001.JPEG', 'another one', fix);
    }
    const label = truth[number - 1];
    if (label === undefined) {
      const fix = 'The ground truth is of another set of images, or cut off.';
      throw fail(
        'data',
        `${where}, image ${JSON.stringify(name)}`,
        `a number from 1 to ${truth.length}, as ${source} has`,
        String(number),
        fix,
      );
    }
    labels.push(label);
  }
  return Int32Array.from(labels);
}

/** Tells of images that are not there; those that the truth knows nothing of are an error above. */
export function missingOfTruth(images: number, truth: number): string[] {
  const number = (value: number): string => value.toLocaleString('en-US');
  return images < truth ? [`${number(truth - images)} of the ${number(truth)} images of the ground truth are missing`] : [];
}
