/** The table of strategies as Markdown, CSV, JSON and a picture: means over seeds with their 95 % intervals. */
import { join } from 'node:path';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { intervalChart } from '../pictures/intervals.ts';
import { sceneColumns } from './run.ts';
import type { StrategyResult } from './strategies.ts';

export interface Estimate {
  readonly mean: number;
  /** Half width of the 95 % interval of the mean (Student's t); absent with one seed. */
  readonly ci95?: number;
  readonly values: readonly number[];
}

/** Two-sided 95 % quantiles of Student's t for 1 … 9 degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

export function estimateOf(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
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

export function linesOf(results: readonly StrategyResult[]): Line[] {
  const names = [...new Set(results.map(({ row }) => row.name))];
  return names.map((name) => {
    const own = results.filter(({ row }) => row.name === name).sort((a, b) => a.seed - b.seed);
    const scores = Object.fromEntries(
      sceneColumns.map((column) => [column.name, estimateOf(own.map(({ result }) => column.valueOf(result)))]),
    );
    const forgetting = own.flatMap((one) => one.forgetting ?? []);
    if (forgetting.length > 0) scores['forgetting'] = estimateOf(forgetting);
    return { name, kind: own[0]!.row.kind, seeds: own.map(({ seed }) => seed), scores };
  });
}

/** Writes `table.md`, `table.csv`, `table.json` and `table.svg`; returns the first. */
export async function writeStrategies(out: string, results: readonly StrategyResult[]): Promise<string> {
  const lines = linesOf(results);
  const columns = [...sceneColumns.map(({ name }) => name), 'forgetting'];
  const cell = (estimate: Estimate | undefined): string =>
    estimate ? `${estimate.mean.toFixed(3)}${estimate.ci95 === undefined ? '' : ` ± ${estimate.ci95.toFixed(3)}`}` : '';
  const markdown = [
    `| | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '---').join('|')}|`,
    ...lines.map(({ name, scores }) => `| ${name} | ${columns.map((column) => cell(scores[column])).join(' | ')} |`),
    '',
  ].join('\n');
  const csv = [
    ['row', 'kind', 'seeds', ...columns.flatMap((column) => [column, `${column} ci95`])].join(','),
    ...lines.map(
      ({ name, kind, seeds, scores }) =>
      [`"${name}"`, kind, seeds.length, ...columns.flatMap((column) => [scores[column]?.mean ?? '', scores[column]?.ci95 ?? ''])].join(','), // prettier-ignore
    ),
    '',
  ].join('\n');
  await writeFileAtomic(join(out, 'table.md'), markdown);
  await writeFileAtomic(join(out, 'table.csv'), csv);
  await writeJsonAtomic(join(out, 'table.json'), lines);
  const groups = ['scene mAP', 'class mAP', 'S3R error', 'mIoU'].map((title) => ({
    title,
    rows: lines.map(({ name, scores }) => {
      const { mean: value, ci95: outer = 0, values } = scores[title]!;
      const inner = outer === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / 2;
      return { name, value, inner, outer };
    }),
  }));
  await writeFileAtomic(join(out, 'table.svg'), intervalChart('strategies on generated scenes: half range of the seeds, 95 % interval of the mean', groups)); // prettier-ignore
  return markdown;
}
