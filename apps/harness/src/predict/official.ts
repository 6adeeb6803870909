/** `test.predicted-scores.json` as heareval 2021.1.3 writes it (hear.md §6.5), but in float64 and valid JSON. */
import type { Fold } from '@unlabel/core';
import type { ProbeResult } from '@unlabel/probes';
import { z } from 'zod';

export interface OfficialOptions {
  readonly folds: readonly Fold[];
  readonly embeddingPath: string;
}

const selectionSchema = z.looseObject({
  validation: z.number().nullable(),
  epoch: z.int(),
  scoreMode: z.enum(['max', 'min']),
  hparams: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
  postProcessing: z.object({ medianFilterMs: z.number(), minDuration: z.number() }).optional(),
});

type Fields = Record<string, number | string>;

/** JSON has no NaN and no Infinity: they are written as strings. */
const written = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

/** @param result of a protocol over HEAR's predictor, all folds */
export function officialScores(
  result: ProbeResult,
  { folds, embeddingPath }: OfficialOptions,
): Record<string, unknown> {
  const selections = result.selection.map((one) => selectionSchema.parse(one));
  const fields = result.outcomes.map(({ fold, metrics, loss, seconds }, i): [string, Fields] => {
    const { validation, epoch } = selections[i]!;
    const named = Object.entries(metrics).map(([name, value]) => [`test_${name}`, written(value)]);
    return [
      folds[fold]!.test.join('+'),
      {
        test_loss: written(loss ?? NaN),
        test_score: written(metrics[result.primary]!),
        ...(Object.fromEntries(named) as Fields),
        validation_score: written(validation ?? NaN),
        epoch,
        time_in_min: seconds / 60,
      },
    ];
  });
  const { hparams, postProcessing, scoreMode } = selections[0]!;
  return {
    ...Object.fromEntries(fields),
    ...(folds.length > 1 && { aggregated_scores: aggregated(fields.map(([, values]) => values)) }),
    hparams,
    postprocessing: postProcessing
      ? [
          ['median_filter_ms', postProcessing.medianFilterMs],
          ['min_duration', postProcessing.minDuration],
        ]
      : [],
    score_mode: scoreMode,
    embedding_path: embeddingPath,
  };
}

/** Mean and sample standard deviation (n − 1) of every field over the folds. */
function aggregated(folds: readonly Fields[]): Fields {
  const out: Fields = {};
  for (const name of Object.keys(folds[0] ?? {})) {
    const values = folds.map((fold) => Number(fold[name]));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    out[`${name}_mean`] = written(mean);
    out[`${name}_std`] = written(Math.sqrt(variance));
  }
  return out;
}
