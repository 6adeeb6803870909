/** What `unlabel results import` does. Every file is read before the first is written. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, type Result } from '@unlabel/core';
import { writeJsonAtomic } from '@unlabel/formats';
import { importOfficialScores } from '@unlabel/leaderboard';

const fileName = 'test.predicted-scores.json';
const maxBytes = 16 * 2 ** 20;

export async function importResults(
  paths: readonly string[],
  { out, model, task }: { readonly out: string; readonly model?: string; readonly task?: string },
): Promise<string> {
  const files = (await Promise.all(paths.map(scoreFiles))).flat();
  const results: Result[] = [];
  for (const file of files) {
    const { size } = await stat(file);
    if (size > maxBytes) throw new ConfigError(`${file}: ${size} bytes; such a file has at most ${maxBytes}`);
    results.push(importOfficialScores(await readFile(file, 'utf8'), file, { model, task }));
  }
  const lines: string[] = [];
  for (const result of results) {
    const { id, revision } = result.task;
    const safe = (text: string): string => text.replace(/[^\w.@=+-]/g, '_');
    const name = `${safe(id)}-${safe(revision.replace(/@.*/, ''))}.${result.protocol.id.replaceAll('/', '-')}.json`;
    await writeJsonAtomic(join(out, 'results', safe(result.model.id), 'imported', name), result);
    const { value } = result.metrics[result.primary]!;
    lines.push(
      `${result.model.id.padEnd(24)} ${id.padEnd(24)} ${result.primary.padEnd(22)} ${value === null ? '–' : value.toFixed(4)}\n`,
    );
  }
  return `${lines.join('')}${results.length} imported into ${out}/results\n`;
}

async function scoreFiles(path: string): Promise<string[]> {
  const entry = await stat(path).catch(() => undefined);
  if (!entry) throw new ConfigError(`${path}: expected a file or folder`);
  if (!entry.isDirectory()) return [path];
  const names = await readdir(path, { recursive: true });
  const files = names
    .filter((name) => name.endsWith(fileName))
    .sort()
    .map((name) => join(path, name));
  if (files.length === 0) throw new ConfigError(`${path}: holds no ${fileName}, as hear-eval-kit writes it`);
  return files;
}
