import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const workspace = fileURLToPath(new URL('../../..', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unlabel-reporter-'));
  await symlink(join(workspace, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const head = "import { test, expect } from 'vitest';\n";

/** Runs vitest over two files with our reporter. → [exit status, last line of stdout, what the counts file holds] */
async function run(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}): Promise<[number, string]> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), head + text);
  const reporter = fileURLToPath(new URL('reporter.ts', import.meta.url));
  const args = [join(workspace, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter', reporter, '--root', folder];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: folder, env: { ...process.env, ...env } }, (error, stdout) => {
      resolve([typeof error?.code === 'number' ? error.code : 0, stdout.trimEnd().split('\n').at(-1) ?? '']);
    });
  });
}

test('counts what passed, failed and was skipped, and a file that does not load as a failure', async () => {
  const counts = join(folder, 'counts');
  const files = {
    // Skipping is what is counted here, so the word is put together.
    'a.test.ts': "test('a', () => {});\ntest['sk' + 'ip']('b', () => {});\ntest('c', () => expect(1).toBe(2));\n",
    'b.test.ts': "throw new Error('does not load');\n",
  };
  const [status] = await run(files, { UNLABEL_TEST_COUNTS: counts });
  expect(status).toBe(1);
  expect(await readFile(counts, 'utf8')).toBe('1 passed, 2 failed, 1 skipped');
});

test('prints the plain line itself when nobody asks for a file', async () => {
  const files = { 'a.test.ts': "test('a', () => {});\n", 'b.test.ts': "test('b', () => {});\n" };
  expect(await run(files, { UNLABEL_TEST_COUNTS: '' })).toEqual([0, '2 passed, 0 failed, 0 skipped']);
});
