import type { DataLayout } from '../../core/data/dataLayout.ts';
import { cifar } from './cifar.ts';
import { csv } from './csv.ts';
import { flatValidation } from './flatValidation.ts';
import { imagenetArchives } from './imagenetArchives.ts';

/** In the order in which they are asked; the more peculiar ones first. */
export const layouts: readonly DataLayout[] = [imagenetArchives, flatValidation, cifar, csv];
