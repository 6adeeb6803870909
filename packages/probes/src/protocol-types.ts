/** What a protocol and the data given to it look like. */
import { DataError, type Rng, type TaskEvent } from '@unlabel/core';
import type { z } from 'zod';
import type { Embeddings } from './embeddings.ts';
import type { PredictionType } from './linear/loss.ts';

/** Which rows of an event task's embeddings are which file's frames, and what happens in the file. */
export interface FrameIndex {
  /** Rows of file i are offsets[i] … offsets[i + 1] − 1 [files + 1]. */
  readonly offsets: Int32Array;
  /** Frame centres, ms from the file's start [rows]. */
  readonly timestamps: Float64Array;
  /** Annotated events of each file. */
  readonly events: readonly (readonly TaskEvent[])[];
}

/** One split of a task: clip i has `files[i]`, `labels[i]` and row i of the embeddings (scene), or the rows of `frames` (event). */
export interface ProbeSplit {
  readonly files: readonly string[];
  readonly labels: readonly (readonly number[])[];
  /** Left out for protocols that do not look at the audio. */
  readonly embeddings?: Embeddings;
  /** Event tasks only. */
  readonly frames?: FrameIndex;
}

export interface FitInput {
  readonly train: ProbeSplit;
  readonly valid: ProbeSplit;
  readonly classes: number;
  readonly predictionType: PredictionType;
  /** Value of the task's primary metric for scores [n, C] of the validation clips, larger is better. */
  readonly select: (scores: Float64Array) => number;
  readonly rng: Rng;
}

export interface FittedProbe {
  /** Scores [n, C] of a split: softmax or sigmoid. */
  scores(split: ProbeSplit): Float64Array;
  /** What was chosen on validation, and the metric there. JSON. */
  readonly selection: Readonly<Record<string, unknown>>;
}

export interface Protocol {
  /** `linear/v1`: the number changes when scores do. */
  readonly id: string;
  readonly title: string;
  readonly options: z.ZodType<Record<string, unknown>>;
  fit(input: FitInput, options: Readonly<Record<string, unknown>>): FittedProbe;
}

/** Splits one after another. */
export function joinSplits(splits: readonly ProbeSplit[]): ProbeSplit {
  const [first] = splits;
  if (splits.length === 1 && first) return first;
  const joined = { files: splits.flatMap(({ files }) => files), labels: splits.flatMap(({ labels }) => labels) };
  const embeddings = splits.map((split) => split.embeddings).filter((value) => value !== undefined);
  if (embeddings.length < splits.length) return joined;
  const width = embeddings[0]?.width ?? 1;
  const data = new Float32Array(embeddings.reduce((sum, value) => sum + value.data.length, 0));
  let offset = 0;
  for (const value of embeddings) {
    if (value.width !== width) throw new DataError(`probe: splits have embeddings of size ${width} and ${value.width}`);
    data.set(value.data, offset);
    offset += value.data.length;
  }
  return { ...joined, embeddings: { data, width } };
}

/** @throws DataError when a protocol that needs embeddings was given none */
export function embeddingsOf(split: ProbeSplit): Embeddings {
  if (split.embeddings) return split.embeddings;
  throw new DataError('probe: this protocol needs embeddings, and a split has none');
}
