/** Few-shot results side by side: scores, paired differences, and their means over tasks, as text, CSV, JSON and a picture. */
import { join } from 'node:path';
import { DataError } from '@unlabel/core';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { drawEpisodes, episodesHash, pairedEpisodes, type EpisodeSummary, type Episodes } from '@unlabel/probes';
import { intervalChart } from '../pictures/intervals.ts';
import type { DoneRun } from './few-shot.ts';
import { numbered } from './few-shot-job.ts';
import { readCorrect, type FewShotResult } from './result.ts';

/** A model's score on one task, or the mean of its tasks (`task` is `mean`). Shares, not percent. */
export interface FewShotRow {
  readonly model: string;
  readonly fingerprint: string;
  readonly task: string;
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  readonly episodes: number;
  readonly classifier: string;
  readonly accuracy: Estimate;
  /** Less the reference model's on the same episodes; absent for the reference itself. */
  readonly difference?: Estimate;
  /** Seconds that the episodes took. */
  readonly seconds: number;
}

export type Estimate = Pick<EpisodeSummary, 'mean' | 'sd' | 'ci95' | 'ci95Classes'>;

const settingOf = ({ task, ways, shots, queries, classifier }: FewShotResult['key']): string =>
  [task, ways, shots, queries, classifier].join('|');

/**
 * One row a result, in their order, then one row a model and setting for the mean over tasks where there are several.
 * @param reference fingerprint of the model that others are compared with
 * @throws DataError when two models were not tested on the same episodes
 */
export async function rowsOf(runs: readonly DoneRun[], reference: string): Promise<FewShotRow[]> {
  const references = new Map<string, DoneRun>();
  for (const run of runs) if (run.result.key.fingerprint === reference) references.set(settingOf(run.result.key), run);
  const drawn = new Map<string, Episodes>();
  const rows: FewShotRow[] = [];
  for (const run of runs) {
    const { key, model, accuracy, seconds } = run.result;
    const other = references.get(settingOf(key));
    const isReference = key.fingerprint === reference;
    const difference = other && !isReference ? await paired(run, other, drawn) : undefined;
    const { task, ways, shots, queries, episodes, classifier, fingerprint } = key;
    rows.push({
      model: model.id, fingerprint, task, ways, shots, queries, episodes, classifier, accuracy: estimate(accuracy), ...(difference && { difference }),
      seconds: seconds.run,
    }); // prettier-ignore
  }
  return [...rows, ...means(rows)];
}

const estimate = ({ mean, sd, ci95, ci95Classes }: Estimate): Estimate => ({ mean, sd, ci95, ci95Classes });

async function paired(a: DoneRun, b: DoneRun, drawn: Map<string, Episodes>): Promise<Estimate> {
  const { key, classes, episodesHash: hash } = a.result;
  if (hash !== b.result.episodesHash) {
    throw new DataError(
      `${key.task}: ${a.result.model.id} and ${b.result.model.id} were tested on different episodes; run both again with --rerun always`,
    );
  }
  let episodes = drawn.get(hash);
  if (!episodes) {
    const { ways, shots, queries, episodes: count, seed, classes: name } = key;
    const sizes = classes.test.map(([, clips]) => clips);
    episodes = drawEpisodes(numbered(sizes), { ways, shots, queries, episodes: count, seed, key: name });
    if (episodesHash(episodes) !== hash)
      throw new DataError(`${a.file}: its episodes cannot be drawn again. Run it again.`);
    drawn.set(hash, episodes);
  }
  const [ofA, ofB] = await Promise.all([readCorrect(a.file, a.result), readCorrect(b.file, b.result)]);
  return estimate(pairedEpisodes(ofA, ofB, episodes));
}

/** Over the tasks of a model and setting; tasks draw their episodes and classes independently. */
function means(rows: readonly FewShotRow[]): FewShotRow[] {
  const groups = new Map<string, FewShotRow[]>();
  for (const row of rows) {
    const name = [row.fingerprint, row.model, row.ways, row.shots, row.queries, row.classifier].join('|');
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group): FewShotRow => {
      const differences = group.flatMap(({ difference }) => (difference ? [difference] : []));
      return {
        ...group[0]!,
        task: 'mean',
        accuracy: meanOf(group.map(({ accuracy }) => accuracy)),
        ...(differences.length === group.length && { difference: meanOf(differences) }),
        seconds: group.reduce((sum, { seconds }) => sum + seconds, 0),
      };
    });
}

function meanOf(list: readonly Estimate[]): Estimate {
  const n = list.length;
  const root = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)) / n;
  const withClasses = list.map(({ ci95Classes }) => ci95Classes).filter((half) => half !== null);
  return {
    mean: list.reduce((sum, { mean }) => sum + mean, 0) / n,
    sd: root(list.map(({ sd }) => sd)) * Math.sqrt(n),
    ci95: root(list.map(({ ci95 }) => ci95)),
    ci95Classes: withClasses.length === n ? root(withClasses) : null,
  };
}

const percent = (value: number): string => (100 * value).toFixed(2);
const half = (value: number | null): string => (value === null ? '–' : percent(value));

/** One block a setting: models by score. */
export function tableText(rows: readonly FewShotRow[], reference: string): string {
  const lines: string[] = [];
  for (const [title, group] of bySetting(rows)) {
    lines.push(title, `  ${'model'.padEnd(36)} accuracy   ± episodes  ± classes   beside ${reference}`);
    for (const { model, accuracy, difference } of [...group].sort((a, b) => b.accuracy.mean - a.accuracy.mean)) {
      const beside = difference
        ? `${difference.mean >= 0 ? '+' : '−'}${percent(Math.abs(difference.mean))} ± ${half(difference.ci95)} (${half(difference.ci95Classes)})`
        : '';
      lines.push(
        `  ${model.padEnd(36)} ${percent(accuracy.mean).padStart(8)} ${half(accuracy.ci95).padStart(12)} ${half(accuracy.ci95Classes).padStart(10)}   ${beside}`.trimEnd(),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function bySetting(rows: readonly FewShotRow[]): Map<string, FewShotRow[]> {
  const groups = new Map<string, FewShotRow[]>();
  for (const row of rows) {
    const { task, ways, shots, queries, episodes, classifier } = row;
    const title = `${task}, ${ways}-way ${shots}-shot, ${queries} ${queries === 1 ? 'query' : 'queries'} a class, ${episodes} episodes, ${classifier}`;
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  return groups;
}

const columns = [
  'model', 'fingerprint', 'task', 'ways', 'shots', 'queries', 'episodes', 'classifier', 'accuracy', 'sd', 'ci95', 'ci95_classes',
  'difference', 'difference_ci95', 'difference_ci95_classes', 'seconds',
] as const; // prettier-ignore

export function csvText(rows: readonly FewShotRow[]): string {
  const cell = (value: string | number | null | undefined): string => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = rows.map(({ accuracy, difference, ...row }) =>
    [
      row.model, row.fingerprint, row.task, row.ways, row.shots, row.queries, row.episodes, row.classifier, accuracy.mean, accuracy.sd,
      accuracy.ci95, accuracy.ci95Classes, difference?.mean, difference?.ci95, difference?.ci95Classes, row.seconds,
    ].map(cell).join(','),
  ); // prettier-ignore
  return `${[columns.join(','), ...lines].join('\n')}\n`;
}

/** `few-shot.csv`, `few-shot.json` and a picture a setting that spans tasks (or the only task) in `out`. */
export async function writeReport(out: string, rows: readonly FewShotRow[], reference: string): Promise<void> {
  await writeFileAtomic(join(out, 'few-shot.csv'), csvText(rows));
  await writeJsonAtomic(join(out, 'few-shot.json'), { schema: 1, reference, rows });
  const charts = [...bySetting(rows)].map(([title, group]) => ({
    title,
    rows: [...group]
      .sort((a, b) => b.accuracy.mean - a.accuracy.mean)
      .map(({ model, accuracy: { mean, ci95, ci95Classes } }) => ({
        name: model,
        value: 100 * mean,
        inner: 100 * ci95,
        outer: ci95Classes === null ? 0 : 100 * ci95Classes,
      })),
  }));
  await writeFileAtomic(
    join(out, 'few-shot.svg'),
    intervalChart('accuracy in percent; thick: interval over episodes, thin: with the choice of classes', charts),
  );
}
