import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(`../../../../packages/${relative}`, import.meta.url));
const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], { encoding: 'utf8' });

test('tasks validate takes image tasks of any layout, and exits 1 with every fault', async () => {
  const folders = join(await mkdtemp(join(tmpdir(), 'unlabel-validate-')), 'pets');
  for (const [split, file] of [
    ['train', 'rgb.png'],
    ['val', 'rgb.jpg'],
  ] as const) {
    await mkdir(join(folders, split, 'cat'), { recursive: true });
    await copyFile(path(`image/fixtures/${file}`), join(folders, split, 'cat', file));
  }
  const whole = unlabel('tasks', 'validate', folders);
  expect([whole.status, whole.stdout]).toEqual([0, `${folders}: 0 faults, 0 warnings\n`]);

  await writeFile(join(folders, 'val/cat/broken.jpg'), 'no image');
  const broken = unlabel('tasks', 'validate', folders, path('tasks/fixtures/VOCdevkit'));
  expect(broken.status).toBe(1);
  expect(broken.stdout).toContain('  fault: val/cat/broken.jpg: is not an image of a kind');
  expect(broken.stdout).toContain('VOC2007: has no folder JPEGImages');
});
