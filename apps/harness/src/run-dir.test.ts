import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appendLog, differences, lockDir, openRunDir, readLog, truncateLog } from './run-dir.ts';

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), 'run-dir-'));

test('a run goes on with the same configuration and refuses another, naming the field', async () => {
  const path = join(await folder(), 'run');
  await openRunDir(path, { method: 'a', recipe: { lr: 0.1 } });
  await openRunDir(path, { recipe: { lr: 0.1 }, method: 'a' });
  await expect(openRunDir(path, { method: 'a', recipe: { lr: 0.2 } })).rejects.toThrow(
    'recipe.lr (0.1 there, 0.2 now)',
  );
});

test('differences name leaves, also absent ones', () => {
  expect(differences({ a: 1, b: { c: 2 } }, { a: 1, b: { c: 3, d: 4 } })).toEqual([
    'b.c (2 there, 3 now)',
    'b.d (absent there, 4 now)',
  ]);
  expect(differences({ a: [1] }, { a: [1] })).toEqual([]);
});

test('a log drops a line cut by a kill and what comes after the last checkpoint', async () => {
  const file = join(await folder(), 'log.jsonl');
  await appendLog(file, [
    { step: 5, loss: 2 },
    { step: 10, loss: 1.5 },
    { step: 15, loss: 1 },
  ]);
  await writeFile(file, `${await readFile(file, 'utf8')}{"step":20,"lo`);
  expect((await readLog(file)).map(({ step }) => step)).toEqual([5, 10, 15]);
  expect((await truncateLog(file, 10)).map(({ step }) => step)).toEqual([5, 10]);
  expect(await readFile(file, 'utf8')).toBe('{"step":5,"loss":2}\n{"step":10,"loss":1.5}\n');
});

test('a lock of a living process holds, one of a dead process is taken over', async () => {
  const path = await folder();
  await writeFile(join(path, '.lock'), String(process.ppid));
  await expect(lockDir(path)).rejects.toThrow(`in use by process ${process.ppid}`);
  await writeFile(join(path, '.lock'), '999999999');
  const unlock = await lockDir(path);
  expect(await readFile(join(path, '.lock'), 'utf8')).toBe(String(process.pid));
  await unlock();
  await (
    await lockDir(path)
  )();
});
