import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { leaderboardColumns } from '@unlabel/core';
import { pairedDifferences } from '@unlabel/probes';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeBoard, type Board } from './board.ts';
import { buildLeaderboards } from './build.ts';
import { collect } from './collect.ts';
import { boardCsv, csvField } from './csv.ts';
import { leaderboardSchema } from './json.ts';
import { boardTable, widthOf } from './table.ts';
import { samplePredictions, sampleModels, sampleTasks, writeSampleResult, writeSampleResults } from './testing.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leaderboard-'));
});
afterEach(() => rm(dir, { recursive: true }));

const options = { title: 'Sounds', resamples: 100 };
const models = sampleModels.slice(0, 3);
const tasks = sampleTasks.slice(0, 3);
const boardOf = async (): Promise<Board> => makeBoard((await collect([dir])).results, options);
const rowOf = (board: Board, label: string) => board.rows.find((row) => row.label === label)!;

describe('collect', () => {
  test('finds results in a run, in its results folder and in a folder of runs', async () => {
    await writeSampleResults(join(dir, 'a/run'), models, tasks);
    for (const place of ['a/run', 'a/run/results', 'a', '.', 'a/run/results/delores-s']) {
      const { results, warnings } = await collect([join(dir, place)]);
      expect(results).toHaveLength(place.endsWith('delores-s') ? 3 : 9);
      expect(warnings).toEqual([]);
    }
    expect((await collect([dir, join(dir, 'a')])).results).toHaveLength(9);
  });

  test('names broken files and goes on without them', async () => {
    const [first, second, third, fourth, fifth] = await Promise.all(
      sampleModels.map((model) => writeSampleResult(dir, model, tasks[0]!)),
    );
    await writeFile(first!, '{"schema": 1');
    await writeFile(second!, (await readFile(second!, 'utf8')).replace('"seed": 0', '"seed": "zero"'));
    await writeFile(third!.replace('.json', '.predictions.jsonl'), '{"fold":0}\n');
    const outside = (await readFile(fourth!, 'utf8')).replace(
      /"predictions": "[^"]*"/,
      '"predictions": "../../../../etc/passwd"',
    );
    await writeFile(fourth!, outside);
    const { results, warnings } = await collect([dir]);
    expect(new Set(results.map(({ path }) => path))).toEqual(new Set([third, fourth, fifth]));
    expect(results.filter(({ predictions }) => predictions).map(({ path }) => path)).toEqual([fifth]);
    expect(warnings).toHaveLength(4);
    for (const [path, reason] of [
      [first, 'JSON'],
      [second, 'seed'],
      [third, 'line 1'],
      [fourth, 'outside'],
    ] as const) {
      expect(warnings.find((warning) => warning.startsWith(path!))).toContain(reason);
    }
  });

  test('keeps one result a model, task, protocol and seed, and says so when they differ', async () => {
    await writeSampleResults(join(dir, 'a'), models, tasks);
    await writeSampleResults(join(dir, 'b'), models, tasks);
    expect((await collect([dir])).warnings).toEqual([]);
    await writeSampleResult(join(dir, 'b'), { ...models[0]!, skill: 1 }, tasks[0]!);
    const { results, warnings } = await collect([dir]);
    expect(results).toHaveLength(9);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('set aside');
  });

  test('says so when there is nothing, and does not follow links out of the tree', async () => {
    await expect(collect([join(dir, 'nowhere')])).rejects.toThrow('expected a directory');
    await symlink('/', join(dir, 'results'));
    await expect(collect([dir])).rejects.toThrow('no results');
  });
});

describe('the board', () => {
  test('sorts by mean and takes paired differences against the own random initialisation', async () => {
    await writeSampleResults(dir, sampleModels, tasks);
    const board = await boardOf();
    expect(board.rows.map(({ rank }) => rank.value)).toEqual([1, 2, 3, 4, 5]);
    expect(board.rows[0]!.label).toBe('delores-s');
    expect(board.rows.at(-1)!.label).toBe('chance');
    const { versus, mean } = rowOf(board, 'delores-s');
    expect(versus).toMatchObject({ referenceLabel: 'delores-s-init', isOwnInit: true });
    expect(versus!.mean.value).toBeCloseTo(mean.value! - rowOf(board, 'delores-s-init').mean.value!, 12);
    expect(mean.low!).toBeLessThan(mean.value!);
    expect(rowOf(board, 'delores-s-init').versus).toBeUndefined();
    expect(rowOf(board, 'chance').versus).toMatchObject({ referenceLabel: 'delores-s-init', isOwnInit: false });
  });

  test('has the differences and intervals of the paired bootstrap', async () => {
    await writeSampleResults(dir, models, tasks);
    const { versus } = rowOf(await boardOf(), 'delores-s');
    const expected = pairedDifferences(
      tasks.map((task) => {
        const sorted = (model: number) =>
          samplePredictions(models[model]!, task).sort((a, b) => a.fold - b.fold || (a.file < b.file ? -1 : 1));
        const metric = task.metrics?.[0] ?? 'top1_acc';
        return { task: task.id, metric, classes: task.classes, a: sorted(0), b: sorted(1) };
      }),
      { seed: 0, resamples: 100 },
    );
    for (const [key, difference] of Object.entries(versus!.tasks)) {
      const other = expected.tasks[key.slice(0, key.indexOf('@'))]!;
      for (const field of ['value', 'low', 'high'] as const) expect(difference[field]).toBeCloseTo(other[field]!, 12);
    }
    for (const field of ['value', 'low', 'high'] as const)
      expect(versus!.mean[field]).toBeCloseTo(expected.mean[field]!, 12);
  });

  test('never ranks a row with a missing or partial task, however good', async () => {
    await writeSampleResults(
      dir,
      [...models, { id: 'brilliant', skill: 9, without: ['gm-drums', 'fluid-pitch'] }],
      tasks,
    );
    await writeSampleResults(dir, [{ id: 'hasty', skill: 9, share: 0.5 }], tasks);
    const board = await boardOf();
    expect(board.rows.slice(-2).map(({ label }) => label)).toEqual(['brilliant', 'hasty']);
    for (const row of board.rows.slice(-2)) {
      expect(row).toMatchObject({ isComplete: false, meanRank: null });
      expect([row.mean.value, row.rank.value, row.versus?.mean.value ?? null]).toEqual([null, null, null]);
    }
    expect(rowOf(board, 'hasty').cells.every((cell) => cell?.isPartial)).toBe(true);
    expect(rowOf(board, 'delores-s').rank.value).toBe(1);
    expect(boardTable(board)).toContain('* scored on a part of the test clips');
  });

  test('ranks error rates upside down', async () => {
    await writeSampleResults(dir, models, tasks.slice(1, 2));
    const { results } = await collect([dir]);
    const flipped = results.map((collected) => {
      const { value, low, high } = collected.result.metrics['top1_acc']!;
      const segment_1s_er = { value: 1 - value!, low: 1 - high!, high: 1 - low!, higherIsBetter: false };
      return { ...collected, result: { ...collected.result, primary: 'segment_1s_er', metrics: { segment_1s_er } } };
    });
    const board = makeBoard(flipped, options);
    expect(board.rows.map(({ label }) => label)).toEqual((await boardOf()).rows.map(({ label }) => label));
    expect(board.rows[0]!.mean.value).toBeCloseTo((await boardOf()).rows[0]!.mean.value!, 12);
  });

  test('tells rows of one id apart by what differs', async () => {
    await writeSampleResults(dir, models.slice(0, 1), tasks);
    const { results } = await collect([dir]);
    const reseeded = results.map((collected) => ({ ...collected, result: { ...collected.result, seed: 7 } }));
    const board = makeBoard([...results, ...reseeded], options);
    expect(board.rows.map(({ label }) => label).sort()).toEqual(['delores-s seed 0', 'delores-s seed 7']);
  });

  test('does not pair models that were tested on other clips', async () => {
    await writeSampleResults(dir, models, tasks);
    const { results } = await collect([dir]);
    const moved = results.map((collected) =>
      collected.result.model.id === 'delores-s-init'
        ? { ...collected, predictions: collected.predictions!.map((clip) => ({ ...clip, file: `x${clip.file}` })) }
        : collected,
    );
    const board = makeBoard(moved, options);
    expect(rowOf(board, 'delores-s').versus!.mean).toEqual({ value: null, low: null, high: null });
    expect(board.warnings).toHaveLength(3);
    expect(board.warnings[0]).toContain('other clips');
  });
});

describe('the files', () => {
  test('are the same bytes for the same results, in any folder', async () => {
    await writeSampleResults(join(dir, 'a'), models, tasks);
    await writeSampleResults(join(dir, 'b'), models.toReversed(), tasks.toReversed());
    const read = async (from: string): Promise<string[]> => {
      const out = join(dir, `out-${from}`);
      await buildLeaderboards({ ...options, dirs: [join(dir, from)], out });
      return Promise.all(
        ['leaderboard.csv', 'leaderboard.json', 'leaderboard.html'].map((name) => readFile(join(out, name), 'utf8')),
      );
    };
    expect(await read('a')).toEqual(await read('b'));
  });

  test('the CSV has one row a model, task and metric, and its numbers read back exactly', async () => {
    await writeSampleResults(dir, models, tasks);
    const board = await boardOf();
    const [head, ...lines] = boardCsv(board).trimEnd().split('\n');
    expect(head).toBe(leaderboardColumns.join(','));
    expect(lines).toHaveLength(3 * (3 + 3 + 2));
    const at = leaderboardColumns.indexOf('score');
    const row = lines
      .map((line) => line.split(','))
      .find(([model, , task, , , metric]) => `${model} ${task} ${metric}` === 'delores-s fluid-pitch chroma_acc')!;
    expect(Number(row[at])).toBe(rowOf(board, 'delores-s').cells[2]!.result.metrics['chroma_acc']!.value);
  });

  test('the CSV quotes what RFC 4180 wants quoted', () => {
    expect(['a,b', 'say "x"', 'two\nlines', ' edge', 'plain', 0.1, null].map(csvField)).toEqual([
      '"a,b"',
      '"say ""x"""',
      '"two\nlines"',
      '" edge"',
      'plain',
      '0.1',
      '',
    ]);
  });

  test('the JSON meets its schema and holds environment, selection and paired differences', async () => {
    await writeSampleResults(dir, models, tasks);
    const [built] = await buildLeaderboards({ ...options, dirs: [dir], out: dir });
    const { leaderboard } = built!;
    const read = leaderboardSchema.parse(JSON.parse(await readFile(join(dir, 'leaderboard.json'), 'utf8')));
    expect(read).toEqual(leaderboard);
    const row = read.rows.find(({ label }) => label === 'delores-s')!;
    expect(row.results[1]!.environment['engine']).toBe('wasm');
    expect(row.results[1]!.selection).toHaveLength(3);
    expect(row.versus!.tasks.map(({ task }) => task)).toEqual(tasks.map(({ id }) => id));
  });
});

describe('the terminal table', () => {
  test.each([40, 60, 80, 100, 200])('fits %i columns and shows every model and score', async (width) => {
    await writeSampleResults(dir);
    const board = await boardOf();
    const text = boardTable(board, { width });
    for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(width);
    expect(text).toContain('logmel-sta');
    for (const { mean } of board.rows) expect(text).toContain((100 * mean.value!).toFixed(1));
    expect(text).not.toContain('\u001B');
  });

  test('has all six tasks side by side with their intervals on 100 columns', async () => {
    await writeSampleResults(dir);
    const line = boardTable(await boardOf())
      .split('\n')
      .find((text) => text.startsWith('delores-s '))!;
    expect(line.match(/\d\.\d±\d+\.\d/g)).toHaveLength(7);
  });

  test('says what pre-training gained', async () => {
    await writeSampleResults(dir);
    const text = boardTable(await boardOf(), { width: 200 });
    expect(text).toMatch(
      /delores-s − delores-s-init on the same clips: mean \+\d+\.\d \[\+\d+\.\d, \+\d+\.\d\], above zero/,
    );
  });

  test('keeps hostile names from moving the cursor', async () => {
    await writeSampleResults(dir, [{ id: '\u001B[2Jevil\r\n名前', skill: 1 }], tasks);
    const text = boardTable(await boardOf(), { color: true });
    // oxlint-disable-next-line no-control-regex -- escapes other than the table's own are what must not be there
    expect(text.replaceAll(/\u001B\[\d+m/g, '')).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
    expect(text).toContain('evil··名前');
  });
});
