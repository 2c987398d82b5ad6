import { type AdamOptions, adaptive } from './adam.ts';
import type { Optimizer } from './optimizer.ts';

/**
 * AdamW (Loshchilov and Hutter 2019) as PyTorch's AdamW: Adam whose weight decay does not pass through the moments,
 * p = p - lr · weightDecay · p before every step.
 */
export function adamw({ lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 }: AdamOptions): Optimizer {
  return adaptive('adamw', { lr, betas, eps, weightDecay }, decay => ({ gradientDecay: 0, parameterDecay: decay }));
}
