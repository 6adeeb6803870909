/** Text and JSON of a task directory, as hostile input: sizes checked, every fault a sentence instead of a throw. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@unlabel/core';

/** Where faults are gathered. Warnings do not stop a task from being used. */
export interface Findings {
  readonly faults: string[];
  readonly warnings: string[];
}

/** MAESTRO's label files, the largest of HEAR, have some 40 MB. */
const maxBytes = 256 * 2 ** 20;

/** The file as text, or undefined with a fault. */
export async function readText(dir: string, name: string, { faults }: Findings): Promise<string | undefined> {
  const path = join(dir, name);
  try {
    const { size } = await stat(path);
    if (size > maxBytes) {
      faults.push(`${name}: has ${size} bytes; a label file has at most ${maxBytes}`);
      return undefined;
    }
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
    return text;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    const isEncoding = error instanceof TypeError;
    faults.push(
      `${name}: ${isMissing ? 'is missing' : isEncoding ? 'is not UTF-8 text' : `could not be read (${messageOf(error)})`}`,
    );
    return undefined;
  }
}

/** The file as JSON, or undefined with a fault. */
export async function readJsonFile(
  dir: string,
  name: string,
  findings: Findings,
): Promise<{ text: string; value: unknown } | undefined> {
  const text = await readText(dir, name, findings);
  if (text === undefined) return undefined;
  try {
    return { text, value: JSON.parse(text) as unknown };
  } catch (error) {
    const hint = /\b(NaN|-?Infinity)\b/.test(text.slice(0, 1e6)) ? '; NaN and Infinity are not JSON' : '';
    findings.faults.push(`${name}: is not JSON (${messageOf(error).replace(/\s+/g, ' ').slice(0, 160)}${hint})`);
    return undefined;
  }
}

/** Keys that the outermost object of a JSON text holds more than once; JSON.parse keeps the last without a word. */
export function repeatedKeys(json: string): string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const c = json[at];
    if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') depth--;
    else if (c === '"') {
      const start = at++;
      while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
      if (depth !== 1 || !/^\s*:/.test(json.slice(at + 1, at + 64))) continue;
      const key = JSON.parse(json.slice(start, at + 1)) as string;
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  }
  return [...repeated];
}

/** A value for a message: JSON, shortened. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** Whether a name from a file stays where it is put: one path segment, no control characters, not hidden. */
export const isSafeName = (name: string): boolean =>
  // eslint-disable-next-line no-control-regex
  name.length > 0 && name.length <= 255 && !/[/\\\u0000-\u001f]/.test(name) && !name.startsWith('.');
