/** How much must be wrong with a file before it counts as bad: sharp's words, the most patient first. */
export const failLevels = ['none', 'truncated', 'error', 'warning'] as const;
export type FailOn = (typeof failLevels)[number];

export const strictness = (failOn: FailOn): number => failLevels.indexOf(failOn);
