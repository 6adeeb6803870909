import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const workspace = fileURLToPath(new URL('../../..', import.meta.url));
const files = {
  'tsconfig.json': '{ "compilerOptions": { "strict": true, "module": "nodenext", "target": "es2023" } }',
  'packages/x/src/a.ts': [
    "import { b } from './b.ts';",
    "import { T } from './t.ts';",
    'export const a = async (t: T): Promise<T> => (b ? t : t);',
    'export const c: any = 1;',
    'export function f(t: T): void {',
    '  a(t);',
    '  console.log(t);',
    '  [t].forEach(async (n) => void (await a(n)));',
    '}',
  ].join('\n'),
  'packages/x/src/b.ts': "import { a } from './a.ts';\nexport const b: unknown = () => a;\n",
  'packages/x/src/t.ts': 'export interface T {\n  x: number;\n}\n',
  'apps/x/src/cli.ts': "console.log('apps may print');\n",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unlabel-lint-'));
  await copyFile(join(workspace, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('each rule of the style guide fires, once where it should and nowhere else', async () => {
  const bin = join(workspace, 'node_modules/oxlint/bin/oxlint');
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, [bin, '--type-aware', '--format=json'], { cwd: folder }, (_error, out) => resolve(out));
  });
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] };
  expect(diagnostics.map(({ code, filename }) => `${filename} ${code}`).toSorted()).toEqual([
    'packages/x/src/a.ts eslint(no-console)',
    'packages/x/src/a.ts import(no-cycle)',
    'packages/x/src/a.ts typescript(consistent-type-imports)',
    'packages/x/src/a.ts typescript(no-explicit-any)',
    'packages/x/src/a.ts typescript(no-floating-promises)',
    'packages/x/src/a.ts typescript(no-misused-promises)',
    'packages/x/src/b.ts import(no-cycle)',
  ]);
});
