/**
 * Ways to turn a table of scores into an order. Rows are models, columns tasks, higher is better, null is missing. None is right
 * alone: the mean depends on the scales of the tasks, ranks and Borda points on which models are listed.
 */

export type Scores = readonly (readonly (number | null)[])[];

/** 1 for the best; ties share the average of their places; null where missing. */
export function ranksOf(values: readonly (number | null)[]): (number | null)[] {
  return values.map((value) => {
    if (value === null) return null;
    const better = values.filter((other) => other !== null && other > value).length;
    const equal = values.filter((other) => other === value).length;
    return better + (equal + 1) / 2;
  });
}

const column = (scores: Scores, task: number): (number | null)[] => scores.map((row) => row[task] ?? null);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
export const isComplete = (row: readonly (number | null)[]): boolean =>
  row.length > 0 && row.every((score) => score !== null);

/** Mean over tasks; null for a row that lacks any. */
export const meanScores = (scores: Scores): (number | null)[] =>
  scores.map((row) => (isComplete(row) ? sum(row.map((score) => score ?? 0)) / row.length : null));

/** Average over tasks of the rank among the complete rows; null for the others. */
export function averageRanks(scores: Scores): (number | null)[] {
  const complete = scores.map((row) => (isComplete(row) ? row : row.map(() => null)));
  const perTask = (scores[0] ?? []).map((_, task) => ranksOf(column(complete, task)));
  return scores.map((row, i) => (isComplete(row) ? sum(perTask.map((ranks) => ranks[i] ?? 0)) / row.length : null));
}

/** Σ over tasks of (rows with a score − rank); a missing score earns nothing. */
export function bordaPoints(scores: Scores): number[] {
  const perTask = (scores[0] ?? []).map((_, task) => {
    const values = column(scores, task);
    const present = values.filter((value) => value !== null).length;
    return ranksOf(values).map((rank) => (rank === null ? 0 : present - rank));
  });
  return scores.map((_, i) => sum(perTask.map((points) => points[i] ?? 0)));
}

/** Share of (opponent, task) pairs won, among pairs where both have a score; ties count half. Null without a pair. */
export function winRates(scores: Scores): (number | null)[] {
  return scores.map((row, i) => {
    let won = 0;
    let pairs = 0;
    for (const [j, other] of scores.entries()) {
      if (i === j) continue;
      for (const [task, score] of row.entries()) {
        const against = other[task] ?? null;
        if (score === null || against === null) continue;
        pairs++;
        won += score > against ? 1 : score === against ? 0.5 : 0;
      }
    }
    return pairs === 0 ? null : won / pairs;
  });
}
