/**
 * A run directory: `config.json` (what was asked), `env.json` (what it ran on), `log.jsonl` (one line every few steps),
 * `checkpoints/`, `model/` (what is kept), `results/`, pictures. The same command on it goes on where it stopped.
 */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson, ConfigError, isPlainObject, messageOf } from '@unlabel/core';
import { readJson, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';

export interface RunDir {
  readonly path: string;
  file(...parts: string[]): string;
}

/**
 * Open `path` for a run with `config`. A directory of another config is refused, naming the keys that differ; an empty or absent
 * one is created.
 */
export async function openRunDir(path: string, config: Readonly<Record<string, unknown>>): Promise<RunDir> {
  await mkdir(path, { recursive: true });
  const file = (...parts: string[]): string => join(path, ...parts);
  const held = existsSync(file('config.json')) ? await readJson(file('config.json')) : undefined;
  if (held === undefined) await writeJsonAtomic(file('config.json'), config);
  else if (canonicalJson(held) !== canonicalJson(config)) {
    throw new ConfigError(
      `${path} holds a run with another configuration; it differs in ${differences(held, config).join(', ')}. ` +
        'Choose another --out, or repeat the command that began it (see its config.json).',
    );
  }
  return { path, file };
}

/** Paths of the leaves in which two values differ, at most six. */
export function differences(a: unknown, b: unknown, path = ''): string[] {
  if (isPlainObject(a) && isPlainObject(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
    return keys.flatMap((key) => differences(a[key], b[key], path === '' ? key : `${path}.${key}`)).slice(0, 6);
  }
  if (canonicalJson(a) === canonicalJson(b)) return [];
  const show = (value: unknown): string => (value === undefined ? 'absent' : JSON.stringify(value).slice(0, 40));
  return [`${path || 'the whole'} (${show(a)} there, ${show(b)} now)`];
}

/** A lock on a directory, so that two processes never write one run. Stale locks of dead processes are taken over. */
export async function lockDir(path: string): Promise<() => Promise<void>> {
  await mkdir(path, { recursive: true });
  const lock = join(path, '.lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(lock, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(lock, { force: true });
    } catch (error) {
      const pid = Number(await readFile(lock, 'utf8').catch(() => ''));
      if (Number.isInteger(pid) && pid > 0 && pid !== process.pid && isAlive(pid)) {
        throw new ConfigError(`${path} is in use by process ${pid}. Wait for it, or choose another --out.`);
      }
      if (attempt === 1) throw new ConfigError(`${lock}: cannot be taken (${messageOf(error)}).`);
      await rm(lock, { force: true });
    }
  }
  throw new ConfigError(`${lock}: cannot be taken.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A log line of training. `seconds` is wall time since the run began, over all its sessions. */
export interface LogLine {
  readonly step: number;
  readonly [name: string]: number;
}

export async function appendLog(file: string, lines: readonly LogLine[]): Promise<void> {
  if (lines.length > 0) await appendFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** Lines of a log; a line cut by a kill is dropped. */
export async function readLog(file: string): Promise<LogLine[]> {
  if (!existsSync(file)) return [];
  return (await readFile(file, 'utf8')).split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  });
}

/** Keep only what was logged up to `step`: what comes after will be logged again. */
export async function truncateLog(file: string, step: number): Promise<LogLine[]> {
  const kept = (await readLog(file)).filter((line) => line.step <= step);
  if (existsSync(file)) await writeFileAtomic(file, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return kept;
}
