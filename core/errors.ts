/** Every error of Millrace says where it happened, what was expected, what came, and how to go on. */
export interface Complaint {
  /** The thing at fault: `conv2d "layer1.0.conv1"`, `decode`, `--batch`. */
  where: string;
  expected: string;
  got: string;
  /** How to go on, as a sentence. */
  fix: string;
}

export type ErrorKind =
  | 'usage' // the command line was wrong: exit status 2
  | 'data' // a file or folder is not what it should be
  | 'graph' // a model graph breaks a rule
  | 'device' // a device is missing, lost or out of memory
  | 'numbers' // a loss or a gradient is not finite
  | 'state'; // an API was called in an order that cannot work

/** `where: expected …, got …. Fix.` — one plain paragraph, asserted in specs. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  constructor(
    readonly kind: ErrorKind,
    readonly complaint: Complaint,
    options?: { cause?: unknown },
  ) {
    const { where, expected, got, fix } = complaint;
    super(`${where}: expected ${expected}, got ${got}. ${fix}`, options);
  }
}

/** Shorthand used everywhere: `throw fail('graph', 'conv2d "c1"', '4 channels', '3', 'Change …')`. */
export function fail(kind: ErrorKind, where: string, expected: string, got: string, fix: string, cause?: unknown): MillraceError {
  return new MillraceError(kind, { where, expected, got, fix }, cause === undefined ? undefined : { cause });
}

/** How a value of any type is shown in an error. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return String(value); // JSON has no NaN
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
