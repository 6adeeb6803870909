import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLeaderboards } from '@unlabel/leaderboard';
import { describe, expect, test } from 'vitest';
import { scoreCoco, type ScoreCocoOptions } from './coco.ts';
import { csvOf, tableOf } from './format.ts';
import { scoreVoc, type ScoreVocOptions } from './voc.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../../../packages/${relative}`, import.meta.url));
const coco = path('probes/fixtures/detection');
const voc = path('tasks/fixtures');

const cocoOptions = (name: string, change: Partial<ScoreCocoOptions> = {}): ScoreCocoOptions => ({
  annotations: join(coco, name, 'gt.json'),
  results: join(coco, name, 'results_bbox.json'),
  iou: 'bbox',
  categories: true,
  idZero: 'as-cocoeval',
  format: 'json',
  ...change,
});
const vocOptions: ScoreVocOptions = {
  tree: join(voc, 'VOCdevkit/VOC2007'),
  split: 'test',
  results: join(voc, 'voc-ap-2007-detections.json'),
  rules: 'devkit',
  format: 'json',
};

interface CocoJson {
  stats: Record<string, number | null>;
  categories: { name: string; AP: number | null }[];
  objects: number;
}
const parse = (output: string): CocoJson => JSON.parse(output) as CocoJson;

describe('score coco', () => {
  test('prints the official numbers in full, and null for a score that does not exist', async () => {
    const { stats, categories } = parse((await scoreCoco(cocoOptions('coco-small'))).output);
    expect(stats).toMatchObject({ AP: 0.4008030287040243, AP50: 0.7308673102068405, APmedium: null });
    expect(categories).toEqual([expect.objectContaining({ id: 3, name: 'cat3', AP: 0.4008030287040243 })]);
  });

  test('scores masks', async () => {
    const results = join(coco, 'coco-small', 'results_segm.json');
    const { stats } = parse((await scoreCoco(cocoOptions('coco-small', { results, iou: 'segm' }))).output);
    expect(stats['AP']).toBe(0.28255091456542314);
  });

  test('says that an annotation has id 0, and counts it when asked to', async () => {
    const official = await scoreCoco(cocoOptions('coco-id-zero'));
    const other = await scoreCoco(cocoOptions('coco-id-zero', { idZero: 'as-any' }));
    expect(official.notes.join()).toContain('id 0');
    expect(parse(official.output).stats['AP']).toBe(0.24138613861386138);
    expect(parse(other.output).stats['AP']).toBeGreaterThan(0.24138613861386138);
  });

  test('lists categories as CSV', async () => {
    const lines = (await scoreCoco(cocoOptions('coco-medium', { format: 'csv' }))).output.trim().split('\n');
    expect(lines).toHaveLength(10);
    expect(lines[1]).toMatch(/^1,cat1,60,80,0.29913521582945485,0.6078302286937556,/);
  });
});

describe('on a board', () => {
  test('scores of COCO and VOC are results beside each other, each under its protocol', async () => {
    const out = await mkdtemp(join(tmpdir(), 'scored-'));
    const { notes } = await scoreCoco(cocoOptions('coco-small', { out, model: 'detector' }));
    expect(notes.at(-1)).toContain(`result in ${out}/results/detector/`);
    await scoreVoc({ ...vocOptions, out, model: 'detector' });
    const boards = await buildLeaderboards({ dirs: [out], out: join(out, 'board'), title: 'Detection' });
    expect(boards.map(({ protocol }) => protocol)).toEqual(['coco-bbox/v1', 'voc-devkit/v1']);
    expect(boards.flatMap(({ warnings }) => warnings)).toEqual([]);
    const [row] = boards[0]!.leaderboard.rows;
    expect(row).toMatchObject({ model: { id: 'detector' } });
    expect(boards[0]!.table).toMatch(/detector +40\.1/);
    expect(await readFile(join(out, 'board/coco-bbox-v1/leaderboard.csv'), 'utf8')).toContain('0.4008030287040243');
  });

  test('a name without a folder, or one that is no name, is refused', async () => {
    await expect(scoreCoco(cocoOptions('coco-small', { model: 'x' }))).rejects.toThrow('--out and --model go together');
    await expect(scoreCoco(cocoOptions('coco-small', { out: '/tmp', model: '../x' }))).rejects.toThrow(
      'found /tmp, ../x',
    );
  });
});

describe('score voc', () => {
  test('prints every threshold and the means', async () => {
    const { output } = await scoreVoc(vocOptions);
    const { mean, images } = JSON.parse(output) as { mean: { ap11: number[] }; images: number };
    expect([mean.ap11[0], mean.ap11.length, images]).toEqual([0.6909112165776553, 10, 30]);
    const detectron = await scoreVoc({ ...vocOptions, rules: 'detectron2', format: 'table' });
    expect(detectron.output).toMatch(/^mean +67 +169 +0.5870/m);
  });

  test('a tree that is none, a split and a file that are not there are named', async () => {
    await expect(scoreVoc({ ...vocOptions, tree: voc })).rejects.toThrow('expected a VOC tree');
    await expect(scoreVoc({ ...vocOptions, split: 'val' })).rejects.toThrow('has no split "val"');
    await expect(scoreVoc({ ...vocOptions, results: 'none.json' })).rejects.toThrow('none.json: could not be read');
  });
});

test('tables and CSV show what does not exist, and quote what must be', () => {
  const rows = [{ name: 'a, "b"', n: 1, AP: null }, { name: 'c', n: 20, AP: 0.5 }]; // prettier-ignore
  expect(tableOf(rows)).toBe('name     n   AP\na, "b"   1    –\nc       20  0.5\n');
  expect(csvOf(rows)).toBe('name,n,AP\n"a, ""b""",1,\nc,20,0.5\n');
});

describe('the command', () => {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], { encoding: 'utf8' });

  test('prints a table to stdout and notes to stderr', () => {
    const { annotations, results } = cocoOptions('coco-id-zero');
    const { status, stdout, stderr } = unlabel('score', 'coco', '--annotations', annotations, '--results', results);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^AP +0\.2414 /m);
    expect(stderr).toContain('note: an annotation has id 0');
  });

  test('exits 1 naming the record of a broken file, 2 for wrong usage', async () => {
    const broken = join(await mkdtemp(join(tmpdir(), 'unlabel-score-')), 'results.json');
    await writeFile(broken, '[{"image_id": 3, "category_id": 3, "bbox": [1, 2, 3], "score": 1}]');
    const failed = unlabel(
      'score',
      'coco',
      '--annotations',
      cocoOptions('coco-small').annotations,
      '--results',
      broken,
    );
    expect([failed.status, failed.stdout]).toEqual([1, '']);
    expect(failed.stderr).toContain(`error: ${broken}: results[0]: expected bbox`);
    expect(unlabel('score', 'voc', '--tree', 'x').status).toBe(2);
    expect(unlabel('score', 'voc', '--help').stdout).toContain('Examples:');
  });
});
