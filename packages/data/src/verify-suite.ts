/** Compares a built suite with the hashes that are checked in. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import hashes from './hashes.json' with { type: 'json' };
import { hashTree, markerName, treeHash } from './task-files.ts';

const known: Readonly<Record<string, string>> = hashes;

/** Hash of a part as it was built where the numbers of the README come from. */
export const expectedHash = (id: string): string | undefined => (Object.hasOwn(known, id) ? known[id] : undefined);

/** A warning when a part that was built has other bytes than those checked in. */
export function differenceFrom(id: string, hash: string): { warning?: string } {
  const expected = expectedHash(id);
  if (expected === undefined || expected === hash) return {};
  return {
    warning: `${id}: its bytes (${hash.slice(0, 12)}) differ from those checked in (${expected.slice(0, 12)}). Scores may differ in the last digits. Another runtime's sine or another JPEG encoder can round otherwise; other packages or a changed build cannot be told from it here.`,
  };
}

export interface VerifiedPart {
  readonly id: string;
  readonly dir: string;
  /**
   * `ok`: the bytes are those checked in. `changed`: files were changed since they were built. `differs`: as they were built,
   * but not as checked in. `incomplete`: no marker.
   */
  readonly state: 'ok' | 'changed' | 'differs' | 'incomplete';
  readonly hash?: string;
  readonly expected?: string;
}

/** Reads every file of every part under `out` (`buildSuite`'s) and compares. */
export function verifySuite(out: string): VerifiedPart[] {
  const dirs = [join(out, 'tasks'), join(out, 'images'), join(out, 'binaural')].flatMap((folder) =>
    existsSync(folder)
      ? readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
          .map((entry) => join(folder, entry.name))
      : [],
  );
  if (existsSync(join(out, 'pretrain'))) dirs.push(join(out, 'pretrain'));
  return dirs.sort().map(verifyPart);
}

function verifyPart(dir: string): VerifiedPart {
  const path = join(dir, markerName);
  const folder = dir.split(/[\\/]/).at(-1)!;
  if (!existsSync(path)) return { id: folder, dir, state: 'incomplete' };
  const marker = JSON.parse(readFileSync(path, 'utf8')) as { id?: string; hash?: string };
  const id = marker.id ?? folder;
  const hash = treeHash(hashTree(dir));
  const expected = expectedHash(id);
  const state = hash !== marker.hash ? 'changed' : expected !== undefined && hash !== expected ? 'differs' : 'ok';
  return { id, dir, state, hash, ...(expected === undefined ? {} : { expected }) };
}
