/** Finished pieces of a probe on disk, beside the result they are for: a stopped run goes on, and workers hand pieces to each other. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '@unlabel/core';
import { sha256, writeFileAtomic } from '@unlabel/formats';
import type { Journal } from '@unlabel/probes';

export interface FileJournal extends Journal {
  /** Removes all pieces: the result is written. */
  clear(): Promise<void>;
}

/**
 * @param file the result file
 * @param inputs everything the pieces depend on; another value never sees them
 */
export function fileJournal(file: string, inputs: unknown): FileJournal {
  const root = file.replace(/\.json$/, '.parts');
  const dir = join(root, sha256(Buffer.from(canonicalJson(inputs))).slice(0, 16));
  const path = (key: string): string => join(dir, key);
  return {
    async load(key) {
      const bytes = await readFile(path(key)).catch(() => undefined);
      if (!bytes) return undefined;
      const expected = await readFile(`${path(key)}.sha256`, 'utf8').catch(() => '');
      return sha256(bytes) === expected ? bytes : undefined; // a damaged piece is made again
    },
    async save(key, bytes) {
      await writeFileAtomic(path(key), bytes);
      await writeFileAtomic(`${path(key)}.sha256`, sha256(bytes));
    },
    clear: () => rm(root, { recursive: true, force: true }),
  };
}
