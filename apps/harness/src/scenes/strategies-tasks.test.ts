/** `unlabel strategies` on tasks of images: trains each row, scores it as `unlabel eval` does, and goes on with what is there. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { encodePng } from '@unlabel/image';
import { openAnyTask } from '../evaluate/open-task.ts';
import { writePictures } from '../testing/pictures.ts';
import { taskScoreOf } from './strategies-tasks.ts';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'strategies-tasks-'));
const strategies = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, 'strategies', ...args], {
    cwd: folder,
    env: { ...process.env, UNLABEL_DISPLAY: 'none', UNLABEL_WORKERS: '1', CI: '1' },
    encoding: 'utf8',
  });
const common = ['--stages', 'moco,densecl', '--preset', 'smoke', '--data', 'pictures', '--set', 'recipe.batchSize=8', '--steps', '2', '--seeds', '1,2']; // prettier-ignore

beforeAll(async () => {
  await writePictures(join(folder, 'pictures'), { count: 8, width: 20, height: 20 });
  for (let i = 0; i < 18; i++) {
    const [rng, color] = [createRng(i), Math.floor(i / 6)];
    const data = Uint8Array.from({ length: 20 * 20 * 3 }, (_, at) => (at % 3 === color ? 180 : 20) + rng.int(60));
    const file = join(folder, `tasks/colors/fold0${i % 3}/class${color}/${i}.png`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, encodePng({ width: 20, height: 20, data }));
  }
});
afterAll(() => rm(folder, { recursive: true }));

interface Line {
  readonly name: string;
  readonly scores: Readonly<Record<string, { readonly values: readonly number[] }>>;
}

test('rows of two seeds, their scores by task and protocol, and the same table from what is there', async () => {
  const args = [...common, '--rows', '{random,single-moco,concat,il-contrastive-01}', '--tasks', 'tasks', '--score', 'knn/v1=colors', '--out', 'out']; // prettier-ignore
  const { status, stdout, stderr } = strategies(...args);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const table = JSON.parse(await readFile(join(folder, 'out/table.json'), 'utf8')) as Record<string, Line[]>;
  const names = ['random', 'moco', 'concat', 'il contrastive: moco → densecl'];
  expect(table['rows']!.map(({ name }) => name)).toEqual(names);
  for (const { scores } of table['rows']!) {
    const { values } = scores['colors knn']!;
    expect(values).toHaveLength(2);
    for (const value of values) expect(value >= 0 && value <= 1).toBe(true);
  }
  expect(table['groups']!.at(-1)!.name).toBe('il contrastive');
  expect(table['differences']!.map(({ name }) => name)).toEqual(['random', 'moco', 'concat']);
  const weights = join(folder, 'out/runs/seed-2/il-contrastive-01/model/model.safetensors');
  const made = (await stat(weights)).mtimeMs;
  const again = strategies(...args);
  expect([again.stdout, (await stat(weights)).mtimeMs]).toEqual([stdout, made]);
}, 120_000);

test('what cannot be scored is refused before anything is trained', async () => {
  expect(strategies(...common).stderr).toMatch(/learn from image, which no scenes are; give --tasks/);
  const tasks = [await openAnyTask(join(folder, 'tasks/colors'))];
  expect(() => taskScoreOf('knn/v1=tones', tasks)).toThrow(/--score knn\/v1=tones: expected PROTOCOL=TASKS, .*colors/);
  expect(() => taskScoreOf('nkk/v1=colors', tasks)).toThrow(/knn\/v1/);
  expect(taskScoreOf('knn/v1=c*', tasks)).toEqual({ protocol: 'knn/v1', tasks });
});
