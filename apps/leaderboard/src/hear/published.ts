/** The published HEAR 2021 table as results, to set one's own beside (`leaderboard build --with hear-2021`). */
import { readFile } from 'node:fs/promises';
import { ConfigError, DataError, type Result } from '@unlabel/core';
import type { CollectedResult } from '../collect.ts';
import { dirOf, hearColumns, splitDir, type HearColumn } from './columns.ts';

export const publishedProtocol = 'hear-faithful/v1';
const source = 'published: HEAR 2021 leaderboard';

/** Model → column → score. */
export async function readPublished(): Promise<Map<string, Map<string, number>>> {
  const text = await readFile(new URL('../../data/hear-2021-results.csv', import.meta.url), 'utf8');
  const table = new Map<string, Map<string, number>>();
  for (const [i, line] of text.trim().split('\n').slice(1).entries()) {
    const cells = line.split(',');
    const [score, , column, ...model] = cells.toReversed() as [string, string, string, ...string[]];
    const name = model.toReversed().join(',');
    if (!hearColumns.some((known) => known.column === column) || !Number.isFinite(Number(score)))
      throw new DataError(`hear-2021-results.csv, line ${i + 2}: ${line}`);
    const row = table.get(name) ?? new Map<string, number>();
    table.set(name, row.set(column, Number(score)));
  }
  return table;
}

/**
 * The results given and the published ones of the tasks among them, in the same columns.
 * @throws ConfigError when a result is of another protocol than the official predictor's, or none is of a HEAR task
 */
export async function withPublished(results: readonly CollectedResult[]): Promise<CollectedResult[]> {
  const other = results.find(({ result }) => result.protocol.id !== publishedProtocol);
  if (other) {
    throw new ConfigError(
      `--with hear-2021: ${other.path} is a result of ${other.result.protocol.id}; the published scores are comparable with ` +
        `${publishedProtocol} only. Choose it with --protocol, or evaluate with --protocol ${publishedProtocol}.`,
    );
  }
  const columns = hearColumns.flatMap((column) => {
    const own = results.find(({ result }) => column.dirs.includes(dirOf(result.task)));
    return own ? [{ column, own: own.result }] : [];
  });
  if (columns.length === 0) {
    const dirs = hearColumns.flatMap((column) => column.dirs).join(', ');
    throw new ConfigError(`--with hear-2021: no result is of one of its tasks: ${dirs}`);
  }
  const merged = mergeMeans(
    results.filter(({ result }) => hearColumns.some(({ dirs }) => dirs.includes(dirOf(result.task)))),
  );
  const published = [...(await readPublished())].flatMap(([model, scores]) =>
    columns.flatMap(({ column, own }) => {
      const score = scores.get(column.column);
      return score === undefined ? [] : [publishedResult(model, column, own, score)];
    }),
  );
  return [...merged, ...published];
}

/** Columns of several folders are one task of their own: the mean of a model's results there. */
function mergeMeans(results: readonly CollectedResult[]): CollectedResult[] {
  const kept: CollectedResult[] = [];
  const groups = new Map<string, CollectedResult[]>();
  for (const one of results) {
    const column = hearColumns.find(({ dirs }) => dirs.includes(dirOf(one.result.task)))!;
    if (column.dirs.length === 1) kept.push(one);
    else {
      const { model, seed } = one.result;
      const key = JSON.stringify([column.column, model.id, model.fingerprint, seed]);
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
  }
  for (const members of groups.values()) {
    const column = hearColumns.find(({ dirs }) => dirs.includes(dirOf(members[0]!.result.task)))!;
    const scores = members.map(({ result }) => result.metrics[result.primary]?.value ?? null);
    const isWhole = members.length === column.dirs.length && !scores.includes(null);
    const mean = isWhole ? scores.reduce((sum: number, score) => sum + score!, 0) / scores.length : null;
    const [first] = members as [CollectedResult];
    const n = members.reduce((sum, { result }) => sum + result.n, 0);
    kept.push({
      path: first.path,
      predictions: undefined,
      result: {
        ...first.result,
        task: { ...first.result.task, ...taskOf(column, first.result) },
        metrics: {
          [column.metric]: { value: mean, low: null, high: null, higherIsBetter: true, note: 'mean of its runs' },
        },
        primary: column.metric,
        n,
        nFull: isWhole ? n : n + 1, // a run is missing: a partial result, never ranked
      },
    });
  }
  return kept;
}

/** The task a column is on the board: that of the result, or the mean of several folders under the column's name. */
const taskOf = ({ column, dirs }: HearColumn, own: Result): { readonly id: string; readonly revision: string } =>
  dirs.length === 1
    ? { id: own.task.id, revision: own.task.revision }
    : { id: column.toLowerCase(), revision: splitDir(dirs[0]!).version };

function publishedResult(model: string, column: HearColumn, own: Result, score: number): CollectedResult {
  return {
    path: `hear-2021-results.csv: ${model}, ${column.column}`,
    predictions: undefined,
    result: {
      ...own,
      model: {
        id: model,
        method: model,
        fingerprint: 'published',
        params: 0,
        embeddingSize: 0,
        sampleRate: 0,
        source,
        sawUnlabelled: [],
      },
      task: { ...own.task, ...taskOf(column, own) },
      protocol: { id: publishedProtocol, options: {} },
      seed: own.seed,
      metrics: { [column.metric]: { value: score, low: null, high: null, higherIsBetter: true } },
      primary: column.metric,
      n: 0,
      nFull: 0,
      selection: [],
      time: { embedSeconds: 0, probeSeconds: 0 },
      environment: { engine: 'heareval' },
      predictions: '',
    },
  };
}
