/** leaderboard.csv: one row a model × task × metric, quoted as RFC 4180, in an order that depends on the results alone. */
import { leaderboardColumns, type Result } from '@unlabel/core';
import type { Board } from './board.ts';

type Field = string | number | null;

/** The board's results as CSV, lines ended by a newline. Numbers are printed with the fewest digits that read back the same. */
export function boardCsv({ rows, tasks }: Board): string {
  const ordered = rows.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const lines = ordered.flatMap(({ cells, model, protocol, seed }) =>
    tasks.flatMap((task, t) => {
      const result = cells[t]?.result;
      return Object.entries(result?.metrics ?? {}).map(
        ([metric, value]): Record<(typeof leaderboardColumns)[number], Field> => ({
          model: model.id,
          method: model.method,
          task: task.id,
          task_revision: task.revision,
          protocol,
          metric,
          score: value.value,
          low: value.low,
          high: value.high,
          n: result!.n,
          seed,
          seconds: Number((result!.time.embedSeconds + result!.time.probeSeconds).toFixed(3)),
          engine: engineOf(result!) ?? '',
          params: model.params,
          source: model.source,
        }),
      );
    }),
  );
  const text = lines.map((line) => leaderboardColumns.map((name) => csvField(line[name])).join(','));
  return [leaderboardColumns.join(','), ...text, ''].join('\n');
}

/** The engine that computed a result: its embeddings, or where there are none (detectors) its probe. */
export function engineOf({ environment }: Pick<Result, 'environment'>): string | undefined {
  const probe = environment['probe'] as { readonly engine?: unknown } | null | undefined; // any JSON
  return [environment['engine'], probe?.engine].find((name) => typeof name === 'string');
}

/** Quoted when it holds a comma, quote, line break, or a space at an end. */
export function csvField(value: Field): string {
  if (value === null) return '';
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
