import type { Augmentation } from '../transforms.ts';
import { wrong } from './arguments.ts';

/** Principal components of the colours of ImageNet's training pixels, 1 being white, as fb.resnet.torch gives them. */
const eigenvalues = [0.2175, 0.0188, 0.0045];
/** A row a channel, a column an eigenvector. */
const eigenvectors = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
];

/**
 * AlexNet's change of the light (Krizhevsky et al. 2012, section 4.1): to each channel Σ_k p_k · α_k · λ_k, with eigenvectors p
 * and eigenvalues λ of ImageNet's colours and one normal number α_k of deviation `sigma` an image. To the nearest byte.
 */
export function pcaLighting({ sigma = 0.1 }: { readonly sigma?: number } = {}): Augmentation {
  if (!(sigma >= 0 && Number.isFinite(sigma))) throw wrong('pcaLighting', 'sigma to be a finite number, 0 or more', sigma);
  return {
    name: `pcaLighting(${sigma})`,
    draw(random) {
      const alphas = eigenvalues.map(() => sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
      return { kind: 'pixels', ops: [{ op: 'lighting', offsets: lightingOffsets(alphas) }] };
    },
  };
}

export function lightingOffsets(alphas: readonly number[]): [number, number, number] {
  const offset = (channel: number): number => eigenvectors[channel].reduce((sum, each, k) => sum + each * alphas[k] * eigenvalues[k], 0);
  return [offset(0), offset(1), offset(2)];
}
