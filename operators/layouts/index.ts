import type { DataLayout } from '../../core/data/dataLayout.ts';

/** In the order in which they are asked; the more peculiar ones first. */
export const layouts: readonly DataLayout[] = [];
