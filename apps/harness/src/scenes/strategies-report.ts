/** The table of strategies as Markdown, CSV, JSON and a picture: means over seeds with their 95 % intervals, and paired differences. */
import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { intervalChart } from '../pictures/intervals.ts';
import type { Scores, StrategyResult } from './strategies.ts';

export interface Estimate {
  readonly mean: number;
  /** Half width of the 95 % interval of the mean (Student's t); absent with one seed. */
  readonly ci95?: number;
  readonly values: readonly number[];
}

/** Two-sided 95 % quantiles of Student's t for 1 … 9 degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function estimateOf(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = meanOf(values);
  if (n < 2) return { mean, values };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, ci95: (quantiles[n - 2] ?? 1.96) * Math.sqrt(variance / n), values };
}

interface Line {
  readonly name: string;
  readonly kind: string;
  readonly seeds: readonly number[];
  readonly scores: Readonly<Record<string, Estimate>>;
}

type Keyed = StrategyResult & { readonly all: Scores };

const columnsOf = (results: readonly Keyed[]): string[] => [...new Set(results.flatMap(({ all }) => Object.keys(all)))];

/** The scores of a run, and what it forgot. */
const withForgetting = (result: StrategyResult): Keyed => ({
  ...result,
  all: { ...result.scores, ...(result.forgetting !== undefined && { forgetting: result.forgetting }) },
});

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** Of the results of a name: by column, the value of each seed, a mean over its orders. */
function valuesOf(own: readonly Keyed[], seeds: readonly number[]): Record<string, number[]> {
  const columns = columnsOf(own);
  return Object.fromEntries(
    columns.map((column) => [
      column,
      seeds.flatMap((seed) => {
        const values = own.flatMap((one) => (one.seed === seed ? (one.all[column] ?? []) : []));
        return values.length > 0 ? [meanOf(values)] : [];
      }),
    ]),
  );
}

function linesBy(results: readonly Keyed[], nameOf: (result: StrategyResult) => string): Line[] {
  return unique(results.map(nameOf)).map((name) => {
    const own = results.filter((result) => nameOf(result) === name);
    const seeds = unique(own.map(({ seed }) => seed)).sort((a, b) => a - b);
    const values = Object.entries(valuesOf(own, seeds));
    const scores = Object.fromEntries(values.map(([column, list]) => [column, estimateOf(list)]));
    return { name, kind: own[0]!.row.kind, seeds, scores };
  });
}

/** Rows that incremental learning is set beside: by how much its scores are above theirs, paired by seed. */
const reference = 'il contrastive';

function differencesOf(groups: readonly Line[]): Line[] {
  const own = groups.find(({ name }) => name === reference);
  if (!own) return [];
  const others = groups.filter(({ name, seeds }) => name !== reference && seeds.join() === own.seeds.join());
  return others.map((other) => ({
    ...other,
    scores: Object.fromEntries(
      Object.entries(own.scores).flatMap(([column, { values }]) => {
        const theirs = other.scores[column]?.values;
        return theirs?.length === values.length
          ? [[column, estimateOf(values.map((value, i) => value - theirs[i]!))]]
          : [];
      }),
    ),
  }));
}

function markdownOf(head: string, lines: readonly Line[], columns: readonly string[], sign = ''): string {
  const number = (value: number): string => `${value >= 0 ? sign : ''}${value.toFixed(3)}`;
  const cell = (estimate: Estimate | undefined): string =>
    estimate ? `${number(estimate.mean)}${estimate.ci95 === undefined ? '' : ` ± ${estimate.ci95.toFixed(3)}`}` : '';
  return [
    `| ${head} | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---').join('|')}|`,
    ...lines.map(({ name, scores }) => `| ${name} | ${columns.map((column) => cell(scores[column])).join(' | ')} |`),
    '',
  ].join('\n');
}

/**
 * Writes `table.md` (rows, means over orders, differences), `table.csv` (rows), `table.json` (all of it, with the value of each seed) and
 * `table.svg`; returns the first.
 */
export async function writeStrategies(out: string, given: readonly StrategyResult[]): Promise<string> {
  const results = given.map(withForgetting);
  const columns = columnsOf(results);
  const rows = linesBy(results, ({ row }) => row.name);
  const groups = linesBy(results, ({ row }) => row.group);
  const differences = differencesOf(groups);
  const markdown = [
    markdownOf('', rows, columns),
    markdownOf('means over orders', groups, columns),
    ...(differences.length > 0 ? [markdownOf(`${reference}, less …`, differences, columns, '+')] : []),
  ].join('\n');
  const csv = [
    ['row', 'kind', 'seeds', ...columns.flatMap((column) => [column, `${column} ci95`])].join(','),
    ...rows.map(
      ({ name, kind, seeds, scores }) =>
      [`"${name}"`, kind, seeds.length, ...columns.flatMap((column) => [scores[column]?.mean ?? '', scores[column]?.ci95 ?? ''])].join(','), // prettier-ignore
    ),
    '',
  ].join('\n');
  await writeFileAtomic(join(out, 'table.md'), markdown);
  await writeFileAtomic(join(out, 'table.csv'), csv);
  await writeJsonAtomic(join(out, 'table.json'), { rows, groups, differences });
  const shown = columns.filter((column) => !['scene R@1', 'S3R ENV', 'forgetting'].includes(column));
  const charts = shown.map((title) => ({
    title,
    rows: rows.flatMap(({ name, scores }) => {
      const found = scores[title];
      if (!found) return [];
      const { mean: value, ci95: outer = 0, values } = found;
      return [{ name, value, inner: (Math.max(...values) - Math.min(...values)) / 2, outer }];
    }),
  }));
  await writeFileAtomic(join(out, 'table.svg'), intervalChart('strategies: half range of the seeds, 95 % interval of the mean', charts)); // prettier-ignore
  return markdown;
}
