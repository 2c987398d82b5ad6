import { randomBytes, timingSafeEqual } from 'node:crypto';

/** What the terminal prints and only the person at it knows: a page of another site cannot steer the run without. */
export const newToken = (): string => randomBytes(12).toString('base64url');

export function sameToken(given: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
