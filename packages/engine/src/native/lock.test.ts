import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { withLock } from './lock.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('work of two holders never overlaps, and the waiting one says so', async () => {
  const file = join(folder, 'a');
  const events: string[] = [];
  const hold = (name: string) =>
    withLock(
      file,
      async () => {
        events.push(`${name} in`);
        await new Promise((resolve) => setTimeout(resolve, 30));
        events.push(`${name} out`);
      },
      () => events.push(`${name} waits`),
      5,
    );
  await Promise.all([hold('a'), hold('b')]);
  expect(events.filter((event) => !event.endsWith('waits'))).toEqual(['a in', 'a out', 'b in', 'b out']);
  expect(events).toContain('b waits');
  expect(existsSync(file)).toBe(false);
});

test('the lock of a process that is gone is taken over', async () => {
  const file = join(folder, 'b');
  const { pid } = spawnSync('true');
  writeFileSync(file, `${pid} 12345`);
  expect(await withLock(file, async () => Promise.resolve('done'), undefined, 5)).toBe('done');
});

test('a reused process id with another start time does not keep the lock', async () => {
  const file = join(folder, 'c');
  writeFileSync(file, `${process.pid} 1`);
  expect(await withLock(file, async () => Promise.resolve('done'), undefined, 5)).toBe('done');
});

test('an empty or nonsensical lock file is taken over', async () => {
  for (const content of ['', 'nonsense', '-1 2']) {
    const file = join(folder, 'd');
    writeFileSync(file, content);
    expect(await withLock(file, async () => Promise.resolve('done'), undefined, 5)).toBe('done');
  }
});

test('failing work frees the lock', async () => {
  const file = join(folder, 'e');
  await expect(withLock(file, async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(file)).toBe(false);
});
