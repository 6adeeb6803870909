/** What evaluation leaves on disk: one result file per model × task × protocol × seed, and the rows of a leaderboard. */
import { z } from 'zod';

export const metricValueSchema = z.strictObject({
  /** null with a note when it is not defined (`auc undefined: single class`). */
  value: z.number().nullable(),
  /** 95 % bootstrap interval over test clips. */
  low: z.number().nullable(),
  high: z.number().nullable(),
  higherIsBetter: z.boolean(),
  note: z.string().optional(),
});
export type MetricValue = z.output<typeof metricValueSchema>;

/** JSON has no NaN and no infinities; metrics of folds do. */
const foldValueSchema = z.union([z.number(), z.literal(['NaN', 'Infinity', '-Infinity'])]);

/** Fields that are optional came later; files without them are read. */
export const resultSchema = z.strictObject({
  schema: z.literal(1),
  model: z.strictObject({
    id: z.string(),
    method: z.string(),
    fingerprint: z.string(),
    params: z.int(),
    embeddingSize: z.int(),
    sampleRate: z.number(),
    source: z.string(),
    /** Tasks whose training clips the model may have seen without labels. */
    sawUnlabelled: z.array(z.string()).default([]),
  }),
  task: z.strictObject({
    id: z.string(),
    revision: z.string(),
    predictionType: z.enum(['multiclass', 'multilabel']),
    embeddingType: z.enum(['scene', 'event']).optional(),
    modality: z.enum(['audio', 'image']).optional(),
  }),
  protocol: z.strictObject({ id: z.string(), options: z.record(z.string(), z.unknown()) }),
  seed: z.int(),
  /** The first is the task's primary metric. */
  metrics: z.record(z.string(), metricValueSchema),
  primary: z.string(),
  /** Test clips scored, and test clips the task has; fewer means a partial result, never ranked. */
  n: z.int(),
  nFull: z.int(),
  /** Why `n` is less than `nFull`: folds of the task that were used, clips of each split that were. */
  partial: z.strictObject({ folds: z.array(z.int()).optional(), limit: z.int().optional() }).optional(),
  /**
   * Values of the primary metric under the first resamples of the task's test images (seed 0), which are the same for every model: for
   * metrics that boards cannot compute again from predictions.
   */
  resamples: z.array(z.number()).optional(),
  /** Metrics of each fold alone, in float64, and the splits that were tested. */
  outcomes: z
    .array(
      z.strictObject({
        fold: z.int(),
        test: z.array(z.string()),
        n: z.int(),
        metrics: z.record(z.string(), foldValueSchema),
        loss: foldValueSchema.nullable(),
      }),
    )
    .optional(),
  /** SHA-256 of the clips' hashes in their order, of weights and front-end, and of the embeddings' hashes. */
  hashes: z
    .strictObject({ data: z.string().optional(), weights: z.string(), embeddings: z.string().optional() })
    .optional(),
  /** Chosen options of each fold. */
  selection: z.array(z.record(z.string(), z.unknown())),
  time: z.strictObject({ embedSeconds: z.number(), probeSeconds: z.number() }),
  /** Largest resident size of a process that embedded, and of the one that probed. */
  memory: z.strictObject({ embedPeakBytes: z.number(), probePeakBytes: z.number() }).optional(),
  /** Engine, version, device, threads, precision, node, harness version. */
  environment: z.record(z.string(), z.unknown()),
  /** Path, relative to this file, of the per-clip predictions (npy-free JSON lines). */
  predictions: z.string(),
});
export type Result = z.output<typeof resultSchema>;

const eventSchema = z.strictObject({
  /** Index into the vocabulary. */
  label: z.int(),
  /** Milliseconds. */
  start: z.number(),
  end: z.number(),
});

/** One test clip's outcome, kept for paired comparisons. Files and folds line up across models. */
export const predictionSchema = z.strictObject({
  fold: z.int(),
  file: z.string(),
  /** Indices of the true labels. */
  labels: z.array(z.int()),
  /** VOC: classes of which the image has only difficult objects; it counts neither way for them. */
  ignored: z.array(z.int()).optional(),
  /** Scores per class: softmax (multiclass) or sigmoid (multilabel). */
  scores: z.array(z.number()),
  /** Event tasks, whose `scores` are empty: what is annotated in the clip, and what the probe found. */
  events: z.strictObject({ reference: z.array(eventSchema), estimated: z.array(eventSchema) }).optional(),
});
export type Prediction = z.output<typeof predictionSchema>;

/** The columns of leaderboard.csv, in order. */
export const leaderboardColumns = [
  'model',
  'method',
  'task',
  'task_revision',
  'protocol',
  'metric',
  'score',
  'low',
  'high',
  'n',
  'seed',
  'seconds',
  'engine',
  'params',
  'source',
] as const;
