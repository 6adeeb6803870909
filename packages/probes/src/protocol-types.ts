/** What a protocol and the data given to it look like. */
import { DataError, type CropPolicy, type MetricValue, type Rng, type TaskEvent } from '@unlabel/core';
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
  /** VOC: classes for which a clip counts neither way. */
  readonly ignored?: readonly (readonly number[])[] | undefined;
  /** Left out for protocols that do not look at the audio. */
  readonly embeddings?: Embeddings;
  /** Event tasks only. */
  readonly frames?: FrameIndex;
}

/** Keeps finished pieces of a fit, so that a stopped one goes on where it was. Keys are file names. */
export interface Journal {
  load(key: string): Promise<Uint8Array | undefined>;
  save(key: string, bytes: Uint8Array): Promise<void>;
}

export interface FitInput {
  readonly train: ProbeSplit;
  readonly valid: ProbeSplit;
  readonly classes: number;
  readonly predictionType: PredictionType;
  /** Value of the task's primary metric for scores [n, C] of the validation clips, larger is better. */
  readonly select: (scores: Float64Array) => number;
  readonly rng: Rng;
  /** Name of the primary metric, which `select` computes. */
  readonly primary: string;
  readonly vocabulary: readonly string[];
  /** `evaluation_params` of the task's metadata. */
  readonly evaluationParams?: unknown;
  /** `use_scoring_for_early_stopping` of the task's metadata; false: watch the validation loss. Default true. */
  readonly useScoring?: boolean;
  /** Which fold this is, and what was selected on the first. */
  readonly fold: number;
  readonly first?: Readonly<Record<string, unknown>> | undefined;
  readonly journal?: Journal | undefined;
  /** A line about how far a long fit is. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** The outcome of a split. */
export interface Evaluated {
  /** [rows, C]: softmax or sigmoid. */
  readonly scores: Float64Array;
  /** Event tasks: what was found in each file. */
  readonly events?: readonly (readonly TaskEvent[])[];
  /** Of the training loss, where there is one. */
  readonly loss?: number;
}

export interface FittedProbe {
  /** Scores [n, C] of a split: softmax or sigmoid. */
  scores?(split: ProbeSplit): Float64Array;
  /** Instead of `scores`, for protocols that find events or compute on the engine. */
  evaluate?(split: ProbeSplit): Promise<Evaluated>;
  /** What was chosen on validation, and the metric there. JSON. */
  readonly selection: Readonly<Record<string, unknown>>;
}

export interface Protocol {
  /** `linear/v1`: the number changes when scores do. */
  readonly id: string;
  readonly title: string;
  readonly options: z.ZodType<Record<string, unknown>>;
  /** Whether it computes on the engine, which the caller then starts. Default false. */
  readonly needsEngine?: boolean;
  /** What becomes of images that are no squares. Default `center`. */
  readonly crop?: CropPolicy;
  /** Whether it takes event tasks. Default false. */
  readonly takesEvents?: boolean;
  /** Whether clips must lie in the order of HEAR's embedding stage (`officialOrder`). Default false. */
  readonly officialOrder?: boolean;
  /** Whether later folds use what was selected on the first. Default false. */
  readonly searchesFirstFoldOnly?: boolean;
  /** Makes share `index` of `of` of what `fit` needs, and leaves it in the journal: several workers fit one fold together. */
  warm?(
    input: FitInput,
    options: Readonly<Record<string, unknown>>,
    share: { readonly index: number; readonly of: number },
  ): Promise<void>;
  fit(input: FitInput, options: Readonly<Record<string, unknown>>): FittedProbe | Promise<FittedProbe>;
}

/** What a protocol found that scores no single fit. */
export interface Measured {
  /** The first is the primary. */
  readonly metrics: Record<string, MetricValue>;
  readonly selection: readonly Readonly<Record<string, unknown>>[];
}

/** A protocol that draws training sets of its own and has metrics of its own; for tasks with one fold. */
export interface MeasuredProtocol extends Pick<Protocol, 'id' | 'title' | 'options' | 'crop'> {
  measure(input: FitInput, test: ProbeSplit, options: Readonly<Record<string, unknown>>): Measured;
}

/** Splits one after another. */
export function joinSplits(splits: readonly ProbeSplit[]): ProbeSplit {
  const [first] = splits;
  if (splits.length === 1 && first) return first;
  const joined = {
    files: splits.flatMap(({ files }) => files),
    labels: splits.flatMap(({ labels }) => labels),
    ...joinIgnored(splits),
    ...joinFrames(splits),
  };
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

function joinIgnored(splits: readonly ProbeSplit[]): { ignored?: ProbeSplit['ignored'] } {
  if (splits.every(({ ignored }) => ignored === undefined)) return {};
  return { ignored: splits.flatMap(({ files, ignored }) => ignored ?? files.map(() => [])) };
}

function joinFrames(splits: readonly ProbeSplit[]): { frames?: FrameIndex } {
  const parts = splits.map((split) => split.frames).filter((value) => value !== undefined);
  if (parts.length < splits.length || parts.length === 0) return {};
  const rows = parts.reduce((sum, part) => sum + part.timestamps.length, 0);
  const timestamps = new Float64Array(rows);
  const offsets: number[] = [0];
  let row = 0;
  for (const part of parts) {
    timestamps.set(part.timestamps, row);
    for (let i = 1; i < part.offsets.length; i++) offsets.push(row + part.offsets[i]!);
    row += part.timestamps.length;
  }
  return { frames: { offsets: Int32Array.from(offsets), timestamps, events: parts.flatMap(({ events }) => events) } };
}

/** A split with its files (and their rows) in another order: file i of the result is file `order[i]`. */
export function reorderSplit(split: ProbeSplit, order: readonly number[]): ProbeSplit {
  const { files, labels, ignored, embeddings, frames } = split;
  const rowsOf = (i: number): readonly [number, number] =>
    frames ? [frames.offsets[i]!, frames.offsets[i + 1]!] : [i, i + 1];
  const moved = {
    files: order.map((i) => files[i]!),
    labels: order.map((i) => labels[i]!),
    ...(ignored && { ignored: order.map((i) => ignored[i]!) }),
    ...(frames && { frames: reorderFrames(frames, order) }),
  };
  if (!embeddings) return moved;
  const { width } = embeddings;
  const data = new Float32Array(embeddings.data.length);
  let at = 0;
  for (const i of order) {
    const [from, to] = rowsOf(i);
    data.set(embeddings.data.subarray(from * width, to * width), at);
    at += (to - from) * width;
  }
  return { ...moved, embeddings: { data, width } };
}

function reorderFrames({ offsets, timestamps, events }: FrameIndex, order: readonly number[]): FrameIndex {
  const moved = new Float64Array(timestamps.length);
  const starts = [0];
  for (const i of order) {
    moved.set(timestamps.subarray(offsets[i]!, offsets[i + 1]!), starts.at(-1)!);
    starts.push(starts.at(-1)! + offsets[i + 1]! - offsets[i]!);
  }
  return { offsets: Int32Array.from(starts), timestamps: moved, events: order.map((i) => events[i]!) };
}
