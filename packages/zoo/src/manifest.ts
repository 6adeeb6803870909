/** `manifest.json` of a checkpoint folder: its files with sizes and hashes, so that it can be checked wherever it was copied to. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, parseConfig } from '@unlabel/core';
import { readJson, sha256File, writeJsonAtomic } from '@unlabel/formats';
import { z } from 'zod';

export const manifestFile = 'manifest.json';

/** Plain names: a manifest never leads out of its folder. */
const fileName = z.string().regex(/^[\w][\w.@=+-]*$/);
export const manifestSchema = z.strictObject({
  schema: z.literal(1),
  /** By name, in order. */
  files: z.array(
    z.strictObject({
      name: fileName,
      bytes: z.int().nonnegative(),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
  /** SHA-256 of what it was made from: the authors' file, or the run's model. */
  parent: z.string().nullable(),
});
export type Manifest = z.output<typeof manifestSchema>;

/** Hashes every file of the folder and writes its manifest. */
export async function writeManifest(dir: string, parent: string | null): Promise<Manifest> {
  const names = (await readdir(dir)).filter((name) => name !== manifestFile && !name.endsWith('.tmp')).sort();
  const files = [];
  for (const name of names) {
    const path = join(dir, name);
    files.push({ name, bytes: (await stat(path)).size, sha256: await sha256File(path) });
  }
  const manifest: Manifest = { schema: 1, files, parent };
  await writeJsonAtomic(join(dir, manifestFile), manifest);
  return manifest;
}

export async function readManifest(dir: string): Promise<Manifest> {
  const path = join(dir, manifestFile);
  return parseConfig(manifestSchema, await readJson(path), path);
}

/** Every way in which the folder differs from its manifest; empty when it does not. Reads every byte. */
export async function verifyCheckpoint(dir: string): Promise<string[]> {
  const manifest = await readManifest(dir).catch((cause: unknown) => {
    throw new CheckpointError(`${dir}: has no ${manifestFile} that can be read; it is no checkpoint folder`, { cause });
  });
  const faults: string[] = [];
  for (const { name, bytes, sha256 } of manifest.files) {
    const path = join(dir, name);
    const found = await stat(path).catch(() => undefined);
    if (!found) faults.push(`${name}: is missing`);
    else if (found.size !== bytes) faults.push(`${name}: has ${found.size} bytes, expected ${bytes}`);
    else if ((await sha256File(path)) !== sha256) faults.push(`${name}: its content is not what the manifest says`);
  }
  const known = new Set([manifestFile, ...manifest.files.map(({ name }) => name)]);
  for (const name of await readdir(dir)) if (!known.has(name)) faults.push(`${name}: is not in the manifest`);
  return faults;
}
