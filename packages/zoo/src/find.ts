/** Where a checkpoint lies: a folder, among those that ship with the project, or in the cache. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, unknownName } from '@unlabel/core';
import { isModelDir } from './model-files.ts';

/** `backbone.method_data`: what an id looks like; never a path. */
export const isCheckpointId = (text: string): boolean => /^[a-z0-9_-]+\.[a-z0-9_-]+$/i.test(text);

/** Checkpoints trained by the project, in the repository. */
export const shippedDir = fileURLToPath(new URL('../../../checkpoints', import.meta.url));

/** The zoo's cache: `UNLABEL_CACHE`, else `$XDG_CACHE_HOME/unlabel`, else `~/.cache/unlabel`. */
export function zooCacheDir(): string {
  const { UNLABEL_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return join(own ?? join(xdg ?? join(homedir(), '.cache'), 'unlabel'), 'zoo');
}

/** Folder of a pulled checkpoint. */
export const pulledDir = (id: string): string => join(zooCacheDir(), 'checkpoints', id);

/** Ids that ship with the project. */
export const shippedIds = (): string[] =>
  existsSync(shippedDir)
    ? readdirSync(shippedDir)
        .filter((name) => isModelDir(join(shippedDir, name)))
        .sort()
    : [];

/** Folder of a checkpoint that is on this machine, or undefined. */
export function findCheckpoint(idOrDir: string): string | undefined {
  const dir = resolve(idOrDir);
  if (isModelDir(dir)) return dir;
  if (!isCheckpointId(idOrDir)) return undefined;
  return [join(shippedDir, idOrDir), pulledDir(idOrDir)].find(isModelDir);
}

/** @throws ConfigError saying how to get it */
export function resolveCheckpoint(idOrDir: string): string {
  const dir = findCheckpoint(idOrDir);
  if (dir !== undefined) return dir;
  if (existsSync(resolve(idOrDir)))
    throw new ConfigError(`${idOrDir}: the folder holds no checkpoint; expected config.json and model.safetensors`);
  const shipped = unknownName('checkpoint', idOrDir, shippedIds());
  throw new ConfigError(`${shipped}${isCheckpointId(idOrDir) ? ` Pull it with: npx unlabel zoo pull ${idOrDir}` : ''}`);
}
