/** Licences that restrict use: accepted once, remembered in the cache. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, parseConfig } from '@unlabel/core';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import { z } from 'zod';
import { zooCacheDir } from './find.ts';
import type { IndexEntry } from './index-schema.ts';

const acceptedSchema = z.record(z.string(), z.string());
const acceptedPath = (): string => join(zooCacheDir(), 'licences.json');

/** What a person reads before accepting. */
export function licenceText({ licence }: Pick<IndexEntry, 'licence'>): string {
  return [licence.id, licence.text, licence.url].filter((part) => part).join('\n  ');
}

/**
 * @param accept whether the user says so now
 * @throws ConfigError showing the licence when it restricts use and was never accepted
 */
export async function requireLicence(entry: Pick<IndexEntry, 'id' | 'licence'>, accept: boolean): Promise<void> {
  const { id, licence } = entry;
  if (!licence.restricted) return;
  const path = acceptedPath();
  const accepted = existsSync(path) ? parseConfig(acceptedSchema, await readJson(path), path) : {};
  const key = `${licence.id} ${licence.url ?? id}`;
  if (accepted[key] !== undefined) return;
  if (!accept)
    throw new ConfigError(
      `${id}: its licence restricts what it may be used for:\n  ${licenceText(entry)}\nIf you accept it, repeat the command with --accept-licence; that is asked once.`,
    );
  await writeJsonAtomic(path, { ...accepted, [key]: new Date().toISOString() });
}
