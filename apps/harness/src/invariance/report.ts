/** Invariance as text, CSV, JSON and a picture. */
import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { heatMap } from '../pictures/heat-map.ts';
import type { Interval, InvarianceRow } from './measure.ts';

/** Over the tasks of a model, part and transformation; their clips are drawn independently. */
export function withMeans(rows: readonly InvarianceRow[]): InvarianceRow[] {
  const groups = new Map<string, InvarianceRow[]>();
  for (const row of rows) {
    const name = [row.model, row.part, row.transform].join('|');
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const means = [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group): InvarianceRow => {
      const of = (pick: (row: InvarianceRow) => Interval | null): Interval | null => {
        const list = group.map(pick).filter((one) => one !== null);
        return list.length === group.length ? meanInterval(list) : null;
      };
      return {
        ...group[0]!,
        task: 'mean',
        clips: group.reduce((sum, { clips }) => sum + clips, 0),
        cosine: of(({ cosine }) => cosine),
        mahalanobis: of(({ mahalanobis }) => mahalanobis),
        relative: of(({ relative }) => relative)!,
      };
    });
  return [...rows, ...means];
}

/** Half widths add up as independent errors do. */
function meanInterval(list: readonly Interval[]): Interval {
  const n = list.length;
  const mean = list.reduce((sum, one) => sum + one.mean, 0) / n;
  const half = (pick: (one: Interval) => number): number =>
    Math.sqrt(list.reduce((sum, one) => sum + pick(one) ** 2, 0)) / n;
  return { mean, low: mean - half((one) => one.mean - one.low), high: mean + half((one) => one.high - one.mean) };
}

const tasksOf = (rows: readonly InvarianceRow[]): string[] => [...new Set(rows.map(({ task }) => task))];
/** What is shown: the mean over tasks, or the only task. */
const shown = (rows: readonly InvarianceRow[]): InvarianceRow[] => {
  const tasks = tasksOf(rows);
  return rows.filter(({ task }) => task === (tasks.includes('mean') ? 'mean' : tasks[0]));
};
const lineName = ({ model, part }: InvarianceRow): string => (part === 'whole' ? model : `${model}, ${part}`);

/** Relative distances with their intervals, a line a model and part, a column a transformation. */
export function tableText(rows: readonly InvarianceRow[]): string {
  const list = shown(rows);
  const columns = [...new Set(list.map(({ transform }) => transform))];
  const names = [...new Set(list.map(lineName))];
  const space = Math.max(...names.map((name) => name.length), 8);
  const cell = ({ mean, low, high }: Interval): string =>
    `${mean.toFixed(2)} ${`[${low.toFixed(2)} ${high.toFixed(2)}]`}`;
  const lines = [
    'Mahalanobis distance of a clip from its transformed self, over that of two clips (0 unmoved, 1 another clip), 95 % intervals',
    ['model'.padEnd(space), ...columns.map((name) => name.padStart(17))].join(' '),
    ...names.map((name) =>
      [
        name.padEnd(space),
        ...columns.map((column) =>
          cell(list.find((row) => lineName(row) === name && row.transform === column)!.relative).padStart(17),
        ),
      ].join(' '),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

export function csvText(rows: readonly InvarianceRow[]): string {
  const measures = ['cosine', 'mahalanobis', 'relative'] as const;
  const head = [
    'model',
    'task',
    'part',
    'transform',
    'clips',
    ...measures.flatMap((m) => [m, `${m}_low`, `${m}_high`]),
  ];
  const cell = (value: string | number | undefined): string => {
    const text = value === undefined ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map((row) =>
    [
      row.model, row.task, row.part, row.transform, row.clips,
      ...measures.flatMap((m) => [row[m]?.mean, row[m]?.low, row[m]?.high]),
    ].map(cell).join(','),
  ); // prettier-ignore
  return `${[head.join(','), ...lines].join('\n')}\n`;
}

/** A group a model, a row a part, a column a transformation; differences of parts are left to the table. */
export function picture(rows: readonly InvarianceRow[]): string {
  const list = shown(rows).filter(({ part }) => !part.includes(' − '));
  const columns = [...new Set(list.map(({ transform }) => transform))];
  const models = [...new Set(list.map(({ model }) => model))];
  return heatMap(
    'how far embeddings move: Mahalanobis distance over that of two different clips (0 unmoved, 1 another clip)',
    columns,
    models.map((model) => {
      const own = list.filter((row) => row.model === model);
      const parts = [...new Set(own.map(({ part }) => part))];
      return {
        title: model,
        rows: parts.map((part) => ({
          name: part,
          values: columns.map((c) => own.find((row) => row.part === part && row.transform === c)!.relative.mean),
        })),
      };
    }),
  );
}

/** `invariance.csv`, `.json` and `.svg` in `out`. */
export async function writeReport(out: string, rows: readonly InvarianceRow[]): Promise<void> {
  await writeFileAtomic(join(out, 'invariance.csv'), csvText(rows));
  await writeJsonAtomic(join(out, 'invariance.json'), { schema: 1, rows });
  await writeFileAtomic(join(out, 'invariance.svg'), picture(rows));
}
