import { fail } from '../errors.ts';

/** Reads a label's text: an integer from 0, below the number of classes if that is known. The error names the sample. */
export function parseLabel(text: string, key: string, classes: number | undefined): number {
  const trimmed = text.trim();
  if (!/^\d{1,9}$/.test(trimmed)) {
    const got = JSON.stringify(trimmed.length > 40 ? `${trimmed.slice(0, 40)}…` : trimmed);
    throw fail('data', `label of ${key}`, 'an integer from 0', got, 'Write labels as numbers, and their names into classes.txt.');
  }
  return checkLabel(Number(trimmed), key, classes);
}

/** Errors, naming the sample, if the label is not below the number of classes. */
export function checkLabel(label: number, key: string, classes: number | undefined): number {
  if (classes !== undefined && label >= classes) {
    const fix = 'Correct the label, or list every class in classes.txt, one per line.';
    throw fail('data', `label of ${key}`, `a label from 0 to ${classes - 1} (there are ${classes} classes)`, String(label), fix);
  }
  return label;
}
