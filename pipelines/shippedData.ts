import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The Fashion-MNIST subset that ships with Millrace: beside this file in a checkout, two folders up from the compiled one. */
export function shippedData(): string {
  const places = ['./data/fashion-mnist', '../../pipelines/data/fashion-mnist'].map(place =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  return places.find(place => existsSync(place)) ?? places[0];
}
