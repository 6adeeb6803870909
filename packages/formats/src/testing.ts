/** What this package's tests share: fixtures, damage by seed, and the promise that every input is read or refused. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DataError, type Rng } from '@unlabel/core';

const fixtures = new URL('../fixtures/', import.meta.url);

export const fixturePath = (name: string): string => fileURLToPath(new URL(name, fixtures));
export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, fixtures)));
export const fixtureJson = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(name, fixtures), 'utf8')) as unknown;

/** A damaged copy: one to eight bytes changed (the first 64 more often than others), a cut, or a piece repeated. */
export function damage(bytes: Uint8Array, rng: Rng): Uint8Array {
  const kind = rng.int(4);
  if (kind === 0) return bytes.slice(0, rng.int(bytes.length));
  const out = bytes.slice();
  if (kind === 1 && out.length > 32) {
    const at = rng.int(out.length - 16);
    out.copyWithin(at, rng.int(out.length - 16), rng.int(out.length));
    return out;
  }
  for (let n = 1 + rng.int(8); n > 0; n--) {
    const at = rng.chance(0.5) ? rng.int(Math.min(64, out.length)) : rng.int(out.length);
    out[at] = rng.chance(0.3) ? [0, 1, 127, 128, 255][rng.int(5)]! : rng.int(256);
  }
  return out;
}

/**
 * Runs `read` and says how it ended. Anything but success or a DataError with a message is rethrown, to fail the test.
 */
export async function outcome(read: () => unknown): Promise<'read' | 'refused'> {
  try {
    await read();
    return 'read';
  } catch (error) {
    if (error instanceof DataError && error.message !== '') return 'refused';
    throw error;
  }
}
