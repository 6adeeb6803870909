import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resultSchema, type Result } from '@unlabel/core';
import { writeJsonAtomic } from '@unlabel/formats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildLeaderboards } from '../build.ts';
import { collect } from '../collect.ts';
import { hearColumns } from './columns.ts';
import { hearCsv } from './export-csv.ts';
import { importOfficialScores, parseTolerant } from './official-scores.ts';
import { readPublished } from './published.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hear-board-'));
});
afterEach(() => rm(dir, { recursive: true }));

const fixture = readFile(new URL('../../fixtures/toyfolds.test.predicted-scores.json', import.meta.url), 'utf8');

function resultOf(id: string, revision: string, metric: string, value: number, changes: Partial<Result> = {}): Result {
  return resultSchema.parse({
    schema: 1,
    model: {
      id: 'mine',
      method: 'mine',
      fingerprint: 'f'.repeat(64),
      params: 1,
      embeddingSize: 2,
      sampleRate: 16000,
      source: 'out/mine',
    },
    task: { id, revision, predictionType: 'multiclass' },
    protocol: { id: 'hear-faithful/v1', options: {} },
    seed: 0,
    metrics: { [metric]: { value, low: value - 0.01, high: value + 0.01, higherIsBetter: true } },
    primary: metric,
    n: 10,
    nFull: 10,
    selection: [],
    time: { embedSeconds: 1, probeSeconds: 1 },
    environment: {},
    predictions: '',
    ...changes,
  });
}

async function put(result: Result): Promise<void> {
  const folder = join(dir, 'results', result.model.id, result.model.fingerprint.slice(0, 8));
  await mkdir(folder, { recursive: true });
  const { id, revision } = result.task;
  await writeJsonAtomic(
    join(folder, `${id}-${revision}-${result.protocol.id.replaceAll('/', '-')}-${result.seed}.json`),
    result,
  );
}

describe('the published table', () => {
  test('has 34 submissions and 616 scores, each in a column of the 19', async () => {
    const table = await readPublished();
    expect(table.size).toBe(34);
    expect([...table.values()].reduce((sum, row) => sum + row.size, 0)).toBe(616);
    expect(hearColumns).toHaveLength(19);
    expect(table.get('GURA Fuse wav2vec2')!.get('Gunshot')).toBeCloseTo(0.967, 3);
    expect(table.get('OpenL3')!.get('Beijing Opera')).toBeCloseTo(0.975, 3);
  });

  test('stands beside one’s own model, which says where each row comes from', async () => {
    await put(resultOf('esc50', 'v2.0.0-full@abc', 'top1_acc', 0.97));
    await put(resultOf('gm-drums', 'v1-full@abc', 'top1_acc', 0.8));
    const [board] = await buildLeaderboards({
      dirs: [dir],
      out: join(dir, 'board'),
      title: 'HEAR',
      withPublished: true,
    });
    const csv = await readFile(join(dir, 'board/leaderboard.csv'), 'utf8');
    const rows = csv.trim().split('\n');
    expect(rows).toHaveLength(1 + 35);
    expect(rows.filter((row) => row.includes('published: HEAR 2021 leaderboard'))).toHaveLength(34);
    expect(csv).not.toContain('gm-drums');
    expect(board!.leaderboard.rows[0]!.label).toBe('mine');
    expect(await readFile(join(dir, 'board/leaderboard.html'), 'utf8')).toContain('published: HEAR 2021 leaderboard');
  });

  test('takes the mean of Beehive’s two runs, and ranks no model that has one of them', async () => {
    const rows = async (): Promise<(number | null)[]> => {
      const [board] = await buildLeaderboards({
        dirs: [dir],
        out: join(dir, 'board'),
        title: 'HEAR',
        withPublished: true,
      });
      return board!.leaderboard.rows.filter(({ label }) => label === 'mine').map(({ mean }) => mean.value);
    };
    await put(resultOf('beehive_states_fold0', 'v2-full@abc', 'aucroc', 0.6));
    expect(await rows()).toEqual([null]);
    await put(resultOf('beehive_states_fold1', 'v2-full@abc', 'aucroc', 0.8));
    expect((await rows())[0]).toBeCloseTo(0.7, 12);
  });

  test('is refused beside another protocol', async () => {
    await put(resultOf('esc50', 'v2.0.0-full@abc', 'top1_acc', 0.97, { protocol: { id: 'linear/v1', options: {} } }));
    const build = buildLeaderboards({ dirs: [dir], out: join(dir, 'board'), title: 'HEAR', withPublished: true });
    await expect(build).rejects.toThrow('hear-faithful/v1 only');
  });
});

describe('protocols', () => {
  test('never share a board: each gets a folder, or one is chosen', async () => {
    for (const id of ['linear/v1', 'hear-better/v1']) {
      await put(resultOf('esc50', 'v2.0.0-full@abc', 'top1_acc', 0.5, { protocol: { id, options: {} } }));
    }
    const both = await buildLeaderboards({ dirs: [dir], out: join(dir, 'board'), title: 'Sounds' });
    expect(both.map(({ protocol }) => protocol)).toEqual(['hear-better/v1', 'linear/v1']);
    for (const { out } of both) {
      const csv = await readFile(join(out, 'leaderboard.csv'), 'utf8');
      expect(csv.trim().split('\n')).toHaveLength(2);
    }
    const [one] = await buildLeaderboards({
      dirs: [dir],
      out: join(dir, 'one'),
      title: 'Sounds',
      protocol: 'linear/v1',
    });
    expect(one!.out).toBe(join(dir, 'one'));
    await expect(buildLeaderboards({ dirs: [dir], out: dir, title: '', protocol: 'knn/v1' })).rejects.toThrow(
      'linear/v1',
    );
  });
});

describe('files of the official tool', () => {
  test('become results: mean over folds, float32 scores as they stand', async () => {
    const result = importOfficialScores(await fixture, 'scores');
    expect(result.model.id).toBe('toymodule');
    expect(result.task).toMatchObject({ id: 'toyfolds', revision: 'v1-full@imported' });
    expect(Object.keys(result.metrics)).toEqual(['top1_acc', 'mAP', 'd_prime', 'aucroc']);
    const official = (JSON.parse(await fixture) as { aggregated_scores: Record<string, number> }).aggregated_scores;
    for (const [name, { value }] of Object.entries(result.metrics)) {
      expect(value, name).toBeCloseTo(official[`test_${name}_mean`]!, 12);
    }
    expect(resultSchema.safeParse(result).success).toBe(true);
  });

  test('are read with bare NaN and Infinity, which strings keep', () => {
    expect(parseTolerant('{"a": NaN, "b": [-Infinity, Infinity, 1], "c": "NaN \\" Infinity"}')).toEqual({
      a: 'NaN',
      b: ['-Infinity', 'Infinity', 1],
      c: 'NaN " Infinity',
    });
    const text =
      '{"test": {"test_score": NaN, "test_event_onset_200ms_fms": NaN, "test_event_onset_200ms_fms_precision": 0.5}}';
    const result = importOfficialScores(text, 'scores', { model: 'm', task: 'dcase2016_task2-hear2021-full' });
    expect(result.metrics['event_onset_200ms_fms']).toMatchObject({
      value: null,
      note: expect.stringContaining('NaN'),
    });
    expect(result.task).toMatchObject({ id: 'dcase2016_task2', revision: 'hear2021-full@imported' });
  });

  test('are refused with what is missing', () => {
    expect(() => importOfficialScores('{]', 'scores')).toThrow('scores: is not JSON');
    expect(() => importOfficialScores('{"test": {}}', 'scores')).toThrow('no split has a test_score');
    const bare = '{"test": {"test_score": 1, "test_mAP": 1}}';
    expect(() => importOfficialScores(bare, 'scores')).toThrow('give --task and --model');
  });

  test('join the revision that a run of the same task has', async () => {
    await put(resultOf('toyfolds', 'v1-full@abc', 'top1_acc', 0.5));
    await put(importOfficialScores(await fixture, 'scores'));
    const [board] = await buildLeaderboards({ dirs: [dir], out: join(dir, 'board'), title: 'Toy' });
    expect(board!.leaderboard.tasks).toHaveLength(1);
    expect(board!.leaderboard.rows).toHaveLength(2);
  });
});

test('the HEAR leaderboard’s CSV has its columns, means of seeds and runs, and blanks', async () => {
  await put(resultOf('esc50', 'v2.0.0-full@abc', 'top1_acc', 0.5));
  await put(resultOf('esc50', 'v2.0.0-full@abc', 'top1_acc', 0.7, { seed: 1 }));
  await put(resultOf('beehive_states_fold0', 'v2-full@abc', 'aucroc', 0.6));
  await put(resultOf('nsynth_pitch', 'v2.2.3-5h@abc', 'pitch_acc', 0.25));
  await put(resultOf('fsd50k', 'v1.0-full@abc', 'mAP', 0.9, { protocol: { id: 'linear/v1', options: {} } }));
  const [head, row, ...rest] = hearCsv((await collect([dir])).results)
    .trim()
    .split('\n');
  expect(rest).toEqual([]);
  const cells = Object.fromEntries(head!.split(',').map((name, i) => [name, row!.split(',')[i]]));
  expect(cells).toMatchObject({
    Model: 'mine',
    'ESC-50': '0.6',
    Beehive: '',
    'NSynth Pitch 5h': '0.25',
    'NSynth Pitch 50h': '',
    FSD50K: '',
  });
});
