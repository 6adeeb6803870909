/** leaderboard.json: everything the page shows, for programs. The schema is strict, and what is written is checked by it. */
import { metricValueSchema, resultSchema } from '@unlabel/core';
import { z } from 'zod';
import type { Board } from './board.ts';

const nullable = z.number().nullable();
const differenceSchema = z.strictObject({ value: nullable, low: nullable, high: nullable });

export const leaderboardSchema = z.strictObject({
  schema: z.literal(1),
  title: z.string(),
  /** What rows are sorted by. */
  sortedBy: z.literal('mean of primary metrics, complete rows first'),
  tasks: z.array(
    z.strictObject({
      id: z.string(),
      revision: z.string(),
      predictionType: z.enum(['multiclass', 'multilabel']),
      primary: z.string(),
      higherIsBetter: z.boolean(),
      nFull: z.int(),
    }),
  ),
  rows: z.array(
    z.strictObject({
      label: z.string(),
      model: resultSchema.shape.model,
      protocol: z.string(),
      seed: z.int(),
      isComplete: z.boolean(),
      mean: differenceSchema,
      rank: differenceSchema,
      meanRank: nullable,
      borda: z.number(),
      winRate: nullable,
      results: z.array(
        z.strictObject({
          task: z.string(),
          revision: z.string(),
          protocolOptions: z.record(z.string(), z.unknown()),
          metrics: z.record(z.string(), metricValueSchema),
          n: z.int(),
          nFull: z.int(),
          isPartial: z.boolean(),
          selection: resultSchema.shape.selection,
          time: resultSchema.shape.time,
          environment: resultSchema.shape.environment,
        }),
      ),
      /** Paired differences, positive is better: of the mean over all tasks, and task by task. */
      versus: z
        .strictObject({
          reference: z.string(),
          isOwnInit: z.boolean(),
          mean: differenceSchema,
          tasks: z.array(z.strictObject({ task: z.string(), revision: z.string(), difference: differenceSchema })),
        })
        .nullable(),
    }),
  ),
  warnings: z.array(z.string()),
});
export type Leaderboard = z.output<typeof leaderboardSchema>;

export function boardJson({ title, tasks, rows, warnings }: Board): Leaderboard {
  return leaderboardSchema.parse({
    schema: 1,
    title,
    sortedBy: 'mean of primary metrics, complete rows first',
    tasks: tasks.map(({ id, revision, predictionType, metric, higherIsBetter, nFull }) => ({
      id,
      revision,
      predictionType,
      primary: metric,
      higherIsBetter,
      nFull,
    })),
    rows: rows.map(
      ({ label, model, protocol, seed, isComplete, mean, rank, meanRank, borda, winRate, cells, versus }) => ({
        label,
        model,
        protocol,
        seed,
        isComplete,
        mean,
        rank,
        meanRank,
        borda,
        winRate,
        results: cells.flatMap((cell) => {
          if (!cell) return [];
          const { task, protocol: used, metrics, n, nFull, selection, time, environment } = cell.result;
          return [
            {
              task: task.id,
              revision: task.revision,
              protocolOptions: used.options,
              metrics,
              n,
              nFull,
              isPartial: cell.isPartial,
              selection,
              time,
              environment,
            },
          ];
        }),
        versus:
          versus === undefined
            ? null
            : {
                reference: versus.referenceLabel,
                isOwnInit: versus.isOwnInit,
                mean: versus.mean,
                tasks: tasks
                  .filter(({ key }) => Object.hasOwn(versus.tasks, key))
                  .map(({ key, id, revision }) => ({ task: id, revision, difference: versus.tasks[key]! })),
              },
      }),
    ),
    warnings: [...warnings],
  } satisfies z.input<typeof leaderboardSchema>);
}
