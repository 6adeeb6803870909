/** The board: rows (a model under a protocol and seed) × tasks, with means, ranks and what the bootstrap says of them. */
import type { Prediction, Result } from '@unlabel/core';
import type { Difference } from '@unlabel/probes';
import type { CollectedResult } from './collect.ts';
import { averageRanks, bordaPoints, isComplete, meanScores, winRates } from './ranking.ts';
import { uncertainty } from './uncertainty.ts';

export interface BoardTask {
  readonly key: string;
  /** The task's id, with its revision where two are listed. */
  readonly label: string;
  readonly id: string;
  readonly revision: string;
  readonly predictionType: 'multiclass' | 'multilabel';
  readonly modality: 'audio' | 'image';
  /** Primary metric: what the board compares. */
  readonly metric: string;
  readonly higherIsBetter: boolean;
  readonly nFull: number;
}

export interface BoardCell {
  readonly result: Result;
  readonly predictions: readonly Prediction[] | undefined;
  readonly isPartial: boolean;
}

export interface BoardRow {
  readonly key: string;
  /** The model's id, with what tells it from others of that id. */
  readonly label: string;
  readonly model: Result['model'];
  readonly protocol: string;
  readonly seed: number;
  /** In the order of the tasks; undefined where missing. */
  readonly cells: readonly (BoardCell | undefined)[];
  /** Whole, defined results on every task; others are never ranked. */
  readonly isComplete: boolean;
  readonly mean: Difference;
  /** 1 for the best mean; null when incomplete. `low`…`high` holds it in 95 % of resamples of tasks and clips. */
  readonly rank: { readonly value: number | null; readonly low: number | null; readonly high: number | null };
  readonly meanRank: number | null;
  readonly borda: number;
  readonly winRate: number | null;
  /** Minus another row, on the same clips: positive is better. */
  readonly versus: Versus | undefined;
}

export interface Versus {
  readonly reference: string;
  readonly referenceLabel: string;
  /** The reference is this model's own random initialisation. */
  readonly isOwnInit: boolean;
  readonly mean: Difference;
  /** By task key, where both have predictions of the same clips. */
  readonly tasks: Readonly<Record<string, Difference>>;
}

export interface Board {
  readonly title: string;
  readonly tasks: readonly BoardTask[];
  /** Best mean first, incomplete rows last. */
  readonly rows: readonly BoardRow[];
  readonly warnings: readonly string[];
}

export interface BoardOptions {
  readonly title: string;
  /** Model id that differences are taken against; by default each model's own initialisation, else the only random one. */
  readonly reference?: string;
  readonly seed?: number;
  readonly resamples?: number;
}

/** Score with larger better: error rates are turned to 1 − s. Null when missing, partial or undefined. */
export function orientedScore(cell: BoardCell | undefined): number | null {
  const metric = cell?.result.metrics[cell.result.primary];
  if (!cell || cell.isPartial || !metric || metric.value === null) return null;
  return metric.higherIsBetter ? metric.value : 1 - metric.value;
}

/** Scored on fewer test clips than the task has, or trained on fewer: never ranked. */
const isPartial = ({ n, nFull, partial }: Result): boolean => n < nFull || partial !== undefined;

/** Arranges results into a board. */
export function makeBoard(results: readonly CollectedResult[], options: BoardOptions): Board {
  const warnings: string[] = [];
  const tasks = tasksOf(results, warnings);
  const groups = groupBy(results, ({ result }) => rowKey(result));
  const labels = rowLabels([...groups.values()].map(([first]) => first!.result));
  const drafts = [...groups].map(([key, members]) => {
    const { model, protocol, seed } = members[0]!.result;
    const cells = tasks.map((task) => {
      const found = members.find(({ result }) => taskKey(result) === task.key);
      if (!found || found.result.primary !== task.metric) return undefined;
      return { result: found.result, predictions: found.predictions, isPartial: isPartial(found.result) };
    });
    return { key, label: labels.get(key)!, model, protocol: protocol.id, seed, cells };
  });
  const scores = drafts.map(({ cells }) => cells.map(orientedScore));
  const means = meanScores(scores);
  const meanRanks = averageRanks(scores);
  const points = bordaPoints(scores);
  const wins = winRates(scores);
  const reference = drafts.map((draft) => referenceOf(draft, drafts, options.reference));
  const sure = uncertainty({ drafts, scores, tasks, reference, options, warnings });
  const rows = drafts.map((draft, i): BoardRow => {
    const better = means.filter((mean) => mean !== null && means[i] !== null && mean > means[i]!).length;
    return {
      ...draft,
      isComplete: isComplete(scores[i]!),
      mean: { value: means[i]!, ...sure.means[i]! },
      rank: { value: means[i] === null ? null : better + 1, ...sure.ranks[i]! },
      meanRank: meanRanks[i]!,
      borda: points[i]!,
      winRate: wins[i]!,
      versus: sure.versus[i],
    };
  });
  rows.sort((a, b) => (b.mean.value ?? -Infinity) - (a.mean.value ?? -Infinity) || (a.label < b.label ? -1 : 1));
  return { title: options.title, tasks, rows, warnings };
}

const rowKey = ({ model, protocol, seed }: Result): string =>
  JSON.stringify([model.id, model.fingerprint, protocol.id, seed]);
const taskKey = ({ task }: Result): string => `${task.id}@${task.revision}`;

function tasksOf(results: readonly CollectedResult[], warnings: string[]): BoardTask[] {
  const byKey = new Map<string, BoardTask>();
  const revisions = groupBy(results, ({ result }) => result.task.id);
  for (const { path, result } of results) {
    const { id, revision, predictionType, modality = 'audio' } = result.task;
    const key = taskKey(result);
    const held = byKey.get(key);
    if (held && held.metric !== result.primary) {
      warnings.push(
        `${path}: set aside, its primary metric is ${result.primary} where others of ${id} have ${held.metric}`,
      );
    }
    const isShared = new Set(revisions.get(id)!.map(({ result: other }) => other.task.revision)).size > 1;
    byKey.set(key, held ?? {
      key, id, revision, predictionType, modality,
      label: isShared ? `${id} ${revision}` : id,
      metric: result.primary,
      higherIsBetter: result.metrics[result.primary]!.higherIsBetter,
      nFull: result.nFull,
    }); // prettier-ignore
  }
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Ids, followed by protocol, seed or fingerprint only where the id alone is shared by several rows. */
function rowLabels(rows: readonly Result[]): Map<string, string> {
  const labels = new Map<string, string>();
  for (const row of rows) {
    const same = rows.filter((other) => other.model.id === row.model.id);
    const differs = (of: (result: Result) => unknown): boolean => new Set(same.map(of)).size > 1;
    const extra = [
      differs(({ model }) => model.fingerprint) ? `#${row.model.fingerprint.slice(0, 6)}` : '',
      differs(({ protocol }) => protocol.id) ? row.protocol.id : '',
      differs(({ seed }) => seed) ? `seed ${row.seed}` : '',
    ];
    labels.set(rowKey(row), [row.model.id, ...extra].filter((part) => part !== '').join(' '));
  }
  return labels;
}

export type RowDraft = Pick<BoardRow, 'key' | 'label' | 'model' | 'protocol' | 'seed' | 'cells'>;
export interface Reference {
  readonly row: number;
  readonly isOwnInit: boolean;
}

const isRandom = (id: string): boolean => id.endsWith('-init') || id.endsWith('-random');

/** The row to take differences against, under the same protocol and seed if there is one. */
function referenceOf(draft: RowDraft, drafts: readonly RowDraft[], wanted: string | undefined): Reference | undefined {
  const indices = drafts
    .map((_, i) => i)
    .sort((i, j) => Number(isSameSetting(drafts[j]!, draft)) - Number(isSameSetting(drafts[i]!, draft)));
  const byId = (id: string): number => indices.find((i) => drafts[i]!.model.id === id) ?? -1;
  const own = [`${draft.model.id}-init`, `${draft.model.id}-random`].map(byId).find((row) => row >= 0);
  const randomIds = new Set(drafts.map(({ model }) => model.id).filter(isRandom));
  const row = wanted !== undefined ? byId(wanted) : (own ?? (randomIds.size === 1 ? byId([...randomIds][0]!) : -1));
  if (row < 0 || drafts[row] === draft) return undefined;
  return { row, isOwnInit: row === own };
}

const isSameSetting = (a: RowDraft, b: RowDraft): boolean => a.protocol === b.protocol && a.seed === b.seed;

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group) group.push(value);
    else groups.set(keyOf(value), [value]);
  }
  return groups;
}
