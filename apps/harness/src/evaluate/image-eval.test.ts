/** `unlabel eval` on image tasks as users have them: class folders, folds, a VOC tree, COCO in a zip. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRng, resultSchema, type Result } from '@unlabel/core';
import { encodeJpeg, encodePng } from '@unlabel/image';
import { beforeAll, expect, test } from 'vitest';

const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'image-eval-'));
const env = { ...process.env, UNLABEL_DISPLAY: 'none', UNLABEL_WORKERS: '2', CI: '1' };
const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
  spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  });

/** A square of noise around one of the primary colours. */
function noise(color: number, seed: number, side = 20): { width: number; height: number; data: Uint8Array } {
  const rng = createRng(seed);
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => (i % 3 === color ? 180 : 20) + rng.int(60));
  return { width: side, height: side, data };
}
const put = async (path: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
};

/** Two images of each of three classes in each of three folds. */
async function writeFolds(name: string): Promise<void> {
  for (let i = 0; i < 18; i++)
    await put(`${name}/fold0${i % 3}/class${Math.floor(i / 6)}/${i}.png`, encodePng(noise(Math.floor(i / 6), i)));
}

/** Blue and red things; every sixth image has a blue one that is hard to see. */
async function writeVoc(name: string): Promise<void> {
  const flags: Record<string, string[]> = { blue_train: [], blue_test: [], red_train: [], red_test: [] };
  const lists: Record<string, string[]> = { train: [], test: [] };
  for (let i = 0; i < 24; i++) {
    const [id, split] = [`im${String(i).padStart(2, '0')}`, i < 16 ? 'train' : 'test'];
    const isBlue = i % 2 === 0;
    lists[split]!.push(id);
    flags[`blue_${split}`]!.push(`${id} ${isBlue ? ' 1' : i % 6 === 1 ? ' 0' : '-1'}`);
    flags[`red_${split}`]!.push(`${id} ${isBlue ? '-1' : ' 1'}`);
    await put(`${name}/JPEGImages/${id}.jpg`, await encodeJpeg(noise(isBlue ? 2 : 0, i), 90));
  }
  for (const [file, lines] of Object.entries({ ...flags, ...lists }))
    await put(`${name}/ImageSets/Main/${file}.txt`, `${lines.join('\n')}\n`);
}

async function results(out: string): Promise<Map<string, Result>> {
  const names = await readdir(join(folder, out, 'results'), { recursive: true });
  const found = new Map<string, Result>();
  for (const name of names.filter((one) => one.endsWith('.json')))
    found.set(name, resultSchema.parse(JSON.parse(await readFile(join(folder, out, 'results', name), 'utf8'))));
  return found;
}
const only = (found: Map<string, Result>, part: string): Result => {
  const names = [...found.keys()].filter((name) => name.includes(part));
  expect(names).toHaveLength(1);
  return found.get(names[0]!)!;
};

beforeAll(async () => {
  await writeFolds('tasks/colors');
  await writeVoc('tasks/things');
});

test('folds, a VOC tree and their protocols: scores, predictions, one store of embeddings, a board', async () => {
  for (const [protocol, task] of [['knn-dino/v1', 'colors'], ['linear/v1', 'colors'], ['voc07-svm/v1', 'things']] as const) {
    const models = protocol === 'linear/v1' ? ['color-stats', 'chance'] : ['color-stats'];
    const run = unlabel('eval', ...models, '--tasks', 'tasks', '--only', task, '--protocol', protocol, '-o', 'out');
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  }
  const found = await results('out');
  const knn = only(found, 'color-stats/color-stats-v1/colors.knn-dino-v1');
  expect(knn.metrics['top1_acc']).toMatchObject({ value: 1, low: 1, high: 1 });
  expect([knn.n, knn.nFull, knn.task.modality, knn.protocol.options['crop']]).toEqual([18, 18, 'image', 'center']);
  const svm = only(found, 'color-stats/color-stats-v1/things.voc07-svm-v1');
  expect(svm.metrics['voc_ap']!.value).toBe(1);
  expect(svm.protocol.options).toMatchObject({ crop: 'stretch', costs: 'fair', ignored: 'negative' });
  const lines = (await readFile(join(folder, 'out/results/color-stats/color-stats-v1', svm.predictions), 'utf8')).trim().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { ignored?: number[] }).ignored)).toEqual(
    Array.from({ length: 8 }, (_, i) => ((i + 16) % 6 === 1 ? [0] : undefined)),
  );
  expect(only(found, 'chance/chance-v1/colors.linear-v1').metrics['top1_acc']!.value).toBeCloseTo(1 / 3);
  expect((await readdir(join(folder, 'out/embeddings'))).map((name) => name.split('-').at(-2))).toEqual(['center', 'stretch']);
  const board = unlabel('leaderboard', 'build', 'out', '-o', 'board');
  expect(board.status).toBe(0);
  expect(board.stdout).toMatch(/knn-dino\/v1[\s\S]*color-stats +100\.0/);
}, 240_000); // prettier-ignore

test('what cannot be evaluated ends with its name and an exit status', async () => {
  await writeFolds('broken/colors');
  await put('broken/colors/fold01/class0/1.png', (await readFile(join(folder, 'broken/colors/fold01/class0/1.png'))).subarray(0, 300));
  await writeVoc('lost');
  await put('lost/ImageSets/Main/train.txt', 'im00\nim77\n');
  await put('odd/train/a/1.png', encodePng(noise(0, 1)));
  const cases: [string[], RegExp, number?][] = [
    [['color-stats', '--tasks', 'broken'], /fold01\/class0\/1\.png: the image is damaged or cut off/],
    [['color-stats', '--tasks', 'lost'], /im77\.jpg: is missing in .*JPEGImages, ImageSets\/Main\/train\.txt lists it/],
    [['color-stats', '--tasks', 'odd'], /expected splits to train on and to test, found train/],
    [['logmel-stats', '--tasks', 'tasks'], /logmel-stats: takes sounds; the tasks \(colors, things\) are of images/, 2],
  ];
  for (const [args, message, status = 1] of cases) {
    const run = unlabel('eval', ...args, '-o', 'out-broken');
    expect(run.stderr).toMatch(message);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.status).toBe(status);
  }
}, 240_000); // prettier-ignore

test('embed writes a row an image; a dry run estimates', async () => {
  const run = unlabel('embed', 'color-stats', 'tasks/things/JPEGImages', '-o', 'rows.npy');
  expect([run.status, run.stderr]).toEqual([0, '']);
  const listed = JSON.parse(await readFile(join(folder, 'rows.json'), 'utf8')) as { files: string[] };
  expect(listed.files).toHaveLength(24);
  expect((await readFile(join(folder, 'rows.npy'))).length).toBe(128 + 24 * 118 * 4);
  const dry = unlabel('eval', 'color-stats', '--tasks', 'tasks', '--dry-run');
  expect(dry.stdout).toMatch(/images a second[\s\S]*colors +18 images/);
}, 240_000);
