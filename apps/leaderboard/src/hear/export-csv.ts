/** Results as rows of the HEAR leaderboard's CSV: one a model, its 19 columns, scores in 0…1, blank where there is none. */
import type { CollectedResult } from '../collect.ts';
import { dirOf, hearColumns } from './columns.ts';
import { publishedProtocol } from './published.ts';

const quoted = (cell: string): string => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

/** @param results of the faithful predictor; others are left out, since the table is its. Several seeds are averaged. */
export function hearCsv(results: readonly CollectedResult[]): string {
  const models = new Map<string, CollectedResult[]>();
  for (const one of results) {
    const { model, protocol, n, nFull, partial } = one.result;
    if (protocol.id !== publishedProtocol || n < nFull || partial !== undefined) continue;
    models.set(model.id, [...(models.get(model.id) ?? []), one]);
  }
  const rows = [...models].map(([model, members]) => [
    model,
    ...hearColumns.map(({ dirs }) => {
      const scores = dirs.map((dir) => meanScore(members.filter(({ result }) => dirOf(result.task) === dir)));
      const isWhole = scores.every((score) => score !== undefined);
      return isWhole ? String(scores.reduce((sum, score) => sum + score, 0) / scores.length) : '';
    }),
  ]);
  return [['Model', ...hearColumns.map(({ column }) => column)], ...rows]
    .map((row) => `${row.map(quoted).join(',')}\n`)
    .join('');
}

function meanScore(members: readonly CollectedResult[]): number | undefined {
  const values = members.map(({ result }) => result.metrics[result.primary]?.value ?? null);
  if (values.length === 0 || values.includes(null)) return undefined;
  return values.reduce((sum: number, value) => sum + value!, 0) / values.length;
}
