import { readFileSync } from 'node:fs';
import type { RawPixels } from '../../../../core/data/rawPixels.ts';
import type { Transform } from '../../../../core/data/sample.ts';

interface Fixtures {
  readonly images: Readonly<Record<'colour' | 'grey', RawPixels>>;
  readonly cases: readonly { readonly image: 'colour' | 'grey'; readonly transform: Transform; readonly expected: Uint8Array }[];
  readonly erased: readonly {
    readonly scale: readonly [number, number];
    readonly ratio: readonly [number, number];
    readonly draws: readonly number[];
    readonly expected: readonly [number, number, number, number];
  }[];
  readonly policies: readonly {
    readonly policy: 'trivialAugmentWide' | 'randAugment';
    /** In torchvision's order. */
    readonly op: number;
    readonly bin: number;
    readonly negative: boolean;
    readonly expected: Uint8Array;
  }[];
  /** Magnitudes by bin. */
  readonly trivialAugmentWide: Space;
  /** For an image of 240 rows and 331 columns. */
  readonly randAugment: Space;
}
type Space = Readonly<Record<string, { readonly magnitudes: readonly number[] | null; readonly signed: boolean }>>;

/** What torchvision gives, written by makeFixtures.py beside this file. */
export function torchvisionFixtures(path: string | URL = new URL('torchvision.json', import.meta.url)): Fixtures {
  const text = readFileSync(path, 'utf8');
  return JSON.parse(text, (key, value) => (key === 'data' || (key === 'expected' && typeof value === 'string') ? bytes(value) : value));
}
const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));
