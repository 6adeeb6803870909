/** The index: what is in the repository, and files or addresses that a user adds. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError, parseConfig, unknownName } from '@unlabel/core';
import { downloadFile, readJson } from '@unlabel/formats';
import { indexSchema, type IndexEntry } from './index-schema.ts';

/** The project's own. */
export const indexDir = fileURLToPath(new URL('../index', import.meta.url));

/** Sheets of systems without a public checkpoint that has an address, and why. */
export const sheetsWithoutCheckpoints: Readonly<Record<string, string>> = {
  'audio-barlow-twins': 'no checkpoints were published',
  cocoa: 'no checkpoints were published',
  concur: 'neither code nor weights were published',
  decar: 'no weights were published',
  delores: 'no weights were published',
  'dino-speech': 'no weights were published',
  'multi-ssl': 'neither code nor weights were published',
  sit: 'on the authors’ cloud drive only; the sheet has no address',
  vibcreg: 'no pretrained weights were published',
};

/** An entry and where it was read, which relative addresses begin at. */
export interface IndexedEntry extends IndexEntry {
  readonly index: string;
}

export interface IndexOptions {
  /** Files or addresses, before the project's own: the first entry of an id counts. */
  readonly added?: readonly string[] | undefined;
}

/**
 * Every known checkpoint by id. `UNLABEL_ZOO_INDEX` adds more, separated by spaces.
 * @throws ConfigError for an index that does not fit, naming file and field
 */
export async function readIndex({ added = [] }: IndexOptions = {}): Promise<ReadonlyMap<string, IndexedEntry>> {
  const named = (process.env['UNLABEL_ZOO_INDEX'] ?? '').split(/\s+/).filter((word) => word !== '');
  const own = existsSync(indexDir)
    ? readdirSync(indexDir)
        .filter((name) => name.endsWith('.json'))
        .sort()
        .map((name) => join(indexDir, name))
    : [];
  const entries = new Map<string, IndexedEntry>();
  for (const place of [...added, ...named, ...own]) {
    for (const entry of await readIndexFile(place)) if (!entries.has(entry.id)) entries.set(entry.id, entry);
  }
  return entries;
}

async function readIndexFile(place: string): Promise<IndexedEntry[]> {
  const isUrl = /^https?:\/\//i.test(place);
  const path = isUrl ? undefined : resolve(place);
  const content = path === undefined ? await loadJson(place) : await readJson(path);
  const base = path === undefined ? place : pathToFileURL(path).href;
  return parseConfig(indexSchema, content, place).entries.map((entry) => ({ ...entry, index: base }));
}

async function loadJson(url: string): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'unlabel-index-'));
  try {
    const file = join(folder, 'index.json');
    await downloadFile({ urls: [url], file, maxBytes: 20_000_000 });
    return await readJson(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws ConfigError with near names */
export function entryOf(index: ReadonlyMap<string, IndexedEntry>, id: string): IndexedEntry {
  const entry = index.get(id);
  if (!entry) throw new ConfigError(`${unknownName('checkpoint', id, [...index.keys()])} See: npx unlabel zoo ls`);
  return entry;
}

/** Folder of the index when it lies on this machine. */
export const indexFolder = (entry: IndexedEntry): string | undefined =>
  entry.index.startsWith('file:') ? dirname(fileURLToPath(entry.index)) : undefined;
