import { readFileSync } from 'node:fs';

/** This package's own description: two folders up in a checkout, three from the compiled file. */
function readPackage(): { version: string } {
  for (const place of ['../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { name?: string; version: string };
      if (found.name === 'millrace') return found;
    } catch {
      // the other place
    }
  }
  return { version: 'unknown' };
}

export const versions = { millrace: readPackage().version, node: process.version } as const;
