/** What `unlabel zoo rm` and `du` do. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConfigError, unknownName } from '@unlabel/core';
import {
  downloadPath,
  filesDir,
  pulledDir,
  pulledRecords,
  removePulled,
  sizeBelow,
  zooCacheDir,
} from '@unlabel/zoo/files';
import { sizeText } from './ls.ts';

/** Ids that take room, those of stopped pulls too. */
async function idsOnDisk(): Promise<string[]> {
  const records = (await pulledRecords()).map(({ id }) => id);
  const others = await Promise.all(
    ['files', 'checkpoints', 'downloads'].map((name) => readdir(join(zooCacheDir(), name)).catch(() => [])),
  );
  return [...new Set([...records, ...others.flat().filter((name) => !/\.(tmp|import)$/.test(name))])].sort();
}

/** @throws ConfigError for an id that is not in the cache; nothing is removed then */
export async function removeZoo(ids: readonly string[], options: { json?: boolean }): Promise<string> {
  const held = await idsOnDisk();
  for (const id of ids) {
    if (!held.includes(id)) throw new ConfigError(`${unknownName('pulled checkpoint', id, held)} Nothing is removed.`);
  }
  const removed: { id: string; bytes: number }[] = [];
  for (const id of ids) removed.push({ id, bytes: await removePulled(id) });
  return options.json
    ? `${JSON.stringify(removed)}\n`
    : removed.map(({ id, bytes }) => `${id}: ${sizeText(bytes)} freed\n`).join('');
}

/** Room that the cache takes, by checkpoint; files that several share count once in the sum. */
export async function diskUse(options: { json?: boolean }): Promise<string> {
  const rows: { id: string; bytes: number }[] = [];
  for (const id of await idsOnDisk()) {
    const seen = new Set<string>();
    let bytes = 0;
    for (const folder of [filesDir(id), pulledDir(id), dirname(downloadPath(id, 'x'))])
      bytes += await sizeBelow(folder, seen);
    rows.push({ id, bytes });
  }
  const blobs = join(zooCacheDir(), 'blobs');
  const stopped = (await readdir(blobs).catch(() => [])).filter((name) => name.endsWith('.incomplete')).length;
  const sum = existsSync(zooCacheDir()) ? await sizeBelow(zooCacheDir()) : 0;
  if (options.json)
    return `${JSON.stringify({ folder: zooCacheDir(), checkpoints: rows, stopped, bytes: sum }, null, 2)}\n`;
  const lines = rows.map(({ id, bytes }) => `${sizeText(bytes).padStart(10)}  ${id}`);
  return `${[...lines, `${sizeText(sum).padStart(10)}  ${zooCacheDir()}${stopped > 0 ? ` (${stopped} stopped downloads)` : ''}`].join('\n')}\n`;
}
