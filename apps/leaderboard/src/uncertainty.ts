/**
 * What resampling says of a board. Every model is scored on the same draws of test clips (inside folds), so that differences are
 * paired; ranks also draw the tasks with replacement, for a suite is a sample of what one could test.
 */
import { createRng, messageOf } from '@unlabel/core';
import {
  bootstrapValues,
  DEFAULT_RESAMPLES,
  foldScorers,
  isSceneMetric,
  percentileInterval,
  resampleRng,
  type Difference,
  type Interval,
} from '@unlabel/probes';
import type { BoardCell, BoardOptions, BoardTask, Reference, RowDraft, Versus } from './board.ts';
import { isComplete, type Scores } from './ranking.ts';
import { wordsOf } from './words.ts';

export interface Uncertainty {
  /** In the order of the drafts. */
  readonly means: readonly Interval[];
  readonly ranks: readonly Interval[];
  readonly versus: readonly (Versus | undefined)[];
}

const nothing: Interval = { low: null, high: null };

export function uncertainty(of: {
  drafts: readonly RowDraft[];
  scores: Scores;
  tasks: readonly BoardTask[];
  reference: readonly (Reference | undefined)[];
  options: BoardOptions;
  warnings: string[];
}): Uncertainty {
  const { drafts, scores, tasks, reference } = of;
  const resamples = of.options.resamples ?? DEFAULT_RESAMPLES;
  const seed = of.options.seed ?? 0;
  const drawn = tasks.map((task, t) => drawTask(of, task, t, seed, resamples));
  const valuesOf = (row: number): (Float64Array | undefined)[] => drawn.map((rows) => rows[row]);
  const complete = drafts
    .map((_, i) => i)
    .filter((i) => isComplete(scores[i]!) && valuesOf(i).every((v) => v !== undefined));
  return {
    means: drafts.map((_, i) =>
      complete.includes(i)
        ? percentileInterval(meanOf(valuesOf(i), resamples), { value: meanScore(scores[i]!) })
        : nothing,
    ),
    ranks: rankIntervals(drafts.length, complete, drawn, seed, resamples),
    versus: drafts.map((_, i) => {
      const against = reference[i];
      return against ? versusOf(i, against, { drafts, scores, tasks, drawn, resamples }) : undefined;
    }),
  };
}

/** Values of one task's primary metric, larger better, for each row that can be resampled: [rows][resamples]. */
function drawTask(
  { drafts, scores, warnings }: Parameters<typeof uncertainty>[0],
  task: BoardTask,
  t: number,
  seed: number,
  resamples: number,
): (Float64Array | undefined)[] {
  if (!isSceneMetric(task.metric))
    return drafts.map((draft, i) =>
      scores[i]![t] === null || seed !== 0 ? undefined : keptDraws(draft.cells[t], task, resamples),
    );
  const identities = drafts.map((draft, i) => {
    const predictions = scores[i]![t] === null ? undefined : draft.cells[t]?.predictions;
    return predictions && JSON.stringify(predictions.map(({ fold, file, labels }) => [fold, file, labels]));
  });
  const usual = mostCommon(identities);
  return drafts.map((draft, i) => {
    const predictions = draft.cells[t]?.predictions;
    if (!predictions || identities[i] === undefined) return undefined;
    if (identities[i] !== usual) {
      warnings.push(
        `${draft.label}: tested on other ${wordsOf([task]).items} of ${task.label} than most models; not paired`,
      );
      return undefined;
    }
    const classes = predictions[0]!.scores.length;
    try {
      const scorers = foldScorers({ task: task.id, predictions, classes }, task.metric);
      const [values] = bootstrapValues([scorers], resampleRng(seed, task.id), resamples);
      return task.higherIsBetter ? values : values!.map((value) => 1 - value);
    } catch (error) {
      warnings.push(`${draft.label}: predictions of ${task.label} cannot be scored (${messageOf(error)})`);
      return undefined;
    }
  });
}

/** Values that the result was written with, under the same draws for every model. */
function keptDraws(cell: BoardCell | undefined, task: BoardTask, resamples: number): Float64Array | undefined {
  const kept = cell?.result.resamples;
  if (kept?.length !== resamples) return undefined;
  return Float64Array.from(kept, (value) => (task.higherIsBetter ? value : 1 - value));
}

/** The most frequent value, the first of equals. */
function mostCommon(values: readonly (string | undefined)[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}

const meanScore = (row: readonly (number | null)[]): number =>
  row.reduce<number>((sum, score) => sum + (score ?? 0), 0) / row.length;

function meanOf(values: readonly (Float64Array | undefined)[], resamples: number): Float64Array {
  const mean = new Float64Array(resamples);
  for (const task of values) for (let r = 0; r < resamples; r++) mean[r]! += task![r]! / values.length;
  return mean;
}

function rankIntervals(
  rows: number,
  complete: readonly number[],
  drawn: readonly (Float64Array | undefined)[][],
  seed: number,
  resamples: number,
): Interval[] {
  const rng = createRng(seed).fork('tasks');
  const ranks = complete.map(() => new Float64Array(resamples));
  for (let r = 0; r < resamples; r++) {
    const chosen = drawn.map(() => drawn[rng.int(drawn.length)]!);
    const means = complete.map((row) => chosen.reduce((sum, task) => sum + task[row]![r]!, 0));
    for (const [i, mean] of means.entries()) ranks[i]![r] = 1 + means.filter((other) => other > mean).length;
  }
  return Array.from({ length: rows }, (_, row) => {
    const at = complete.indexOf(row);
    if (at < 0) return nothing;
    const { low, high } = percentileInterval(ranks[at]!);
    return { low: low === null ? null : Math.floor(low), high: high === null ? null : Math.ceil(high) };
  });
}

function versusOf(
  row: number,
  against: Reference,
  of: {
    drafts: readonly RowDraft[];
    scores: Scores;
    tasks: readonly BoardTask[];
    drawn: readonly (Float64Array | undefined)[][];
    resamples: number;
  },
): Versus {
  const tasks: Record<string, Difference> = {};
  const total = new Float64Array(of.resamples);
  let sum = 0;
  for (const [t, task] of of.tasks.entries()) {
    const [a, b] = [of.drawn[t]![row], of.drawn[t]![against.row]];
    if (!a || !b) continue;
    const value = of.scores[row]![t]! - of.scores[against.row]![t]!;
    const differences = a.map((score, r) => score - b[r]!);
    tasks[task.key] = { value, ...percentileInterval(differences, { value }) };
    sum += value;
    for (let r = 0; r < of.resamples; r++) total[r]! += differences[r]! / of.tasks.length;
  }
  const isWhole = Object.keys(tasks).length === of.tasks.length;
  const value = sum / of.tasks.length;
  const mean = isWhole ? { value, ...percentileInterval(total, { value }) } : { value: null, ...nothing };
  const { key, label } = of.drafts[against.row]!;
  return { reference: key, referenceLabel: label, isOwnInit: against.isOwnInit, mean, tasks };
}
