/**
 * A directory as HEAR's embedding stage leaves it (hear.md §5): the task's own files, and for each split `embeddings.npy` (raw
 * float32 without a header), `embedding-dimensions.json` [n, D], `target-labels.pkl`, and for event tasks `filename-timestamps.json`.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, parseConfig, type TaskEvent } from '@unlabel/core';
import { readJson, readPickle } from '@unlabel/formats';
import type { FrameIndex, ProbeSplit } from '@unlabel/probes';
import { openTask, type OpenedTask } from '@unlabel/tasks';
import { z } from 'zod';

export interface EmbeddingDir {
  readonly task: OpenedTask;
  /** In the order of the metadata; clips in the order they are stored. */
  readonly embedded: ReadonlyMap<string, ProbeSplit>;
}

const dimensionsSchema = z.tuple([z.int().nonnegative(), z.int().positive()]);
const timestampsSchema = z.array(z.tuple([z.string(), z.number()]));
const labelsSchema = z.array(z.array(z.union([z.string(), z.number()])));

/** @throws DataError or ConfigError naming the file that is missing, malformed or of another size than stated */
export async function readEmbeddingDir(dir: string): Promise<EmbeddingDir> {
  const task = await openTask(dir, { withAudio: false });
  const embedded = new Map<string, ProbeSplit>();
  for (const split of task.metadata.splits) embedded.set(split, await readSplit(dir, split, task));
  return { task, embedded };
}

async function readSplit(dir: string, split: string, task: OpenedTask): Promise<ProbeSplit> {
  const file = (name: string): string => join(dir, `${split}.${name}`);
  const dimensions = file('embedding-dimensions.json');
  const [rows, width] = parseConfig(dimensionsSchema, await readJson(dimensions), dimensions);
  const path = file('embeddings.npy');
  const { size } = await stat(path);
  if (size !== rows * width * 4) {
    throw new DataError(
      `${path}: expected ${rows} x ${width} float32 = ${rows * width * 4} bytes as ${split}.embedding-dimensions.json says, found ${size}`,
    );
  }
  const bytes = await readFile(path);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  const embeddings = { data, width };
  const clips = task.splits.get(split) ?? [];
  if (task.metadata.embedding_type === 'event') {
    const path = file('filename-timestamps.json');
    const { files, frames } = framesOf(
      parseConfig(timestampsSchema, await readJson(path), path),
      task,
      split,
      rows,
      path,
    );
    const labels = files.map((name) => clips.find((clip) => clip.file === name)!.labels);
    return { files, labels, embeddings, frames };
  }
  const labelFile = file('target-labels.pkl');
  const stored = parseConfig(
    labelsSchema,
    readPickle(await readFile(labelFile), { name: labelFile, constructors: new Map() }).value,
    labelFile,
  );
  if (stored.length !== rows) {
    throw new DataError(`${labelFile}: expected labels of ${rows} clips, found ${stored.length}`);
  }
  const index = new Map(task.vocabulary.map((label, i) => [label, i]));
  const labels = stored.map((row, i) =>
    row.map((label) => {
      const at = index.get(String(label));
      if (at === undefined) {
        throw new DataError(
          `${labelFile}: clip ${i} has the label ${JSON.stringify(label)}, which labelvocabulary.csv lacks`,
        );
      }
      return at;
    }),
  );
  return {
    files: filesOf(
      clips.map(({ file }) => file),
      rows,
      split,
    ),
    labels,
    embeddings,
  };
}

/** Scene directories do not say which row is which file; rows are named by their position. */
function filesOf(files: readonly string[], rows: number, split: string): string[] {
  if (files.length !== rows) {
    throw new DataError(`${split}.json: expected the ${rows} clips that are embedded, found ${files.length}`);
  }
  return Array.from({ length: rows }, (_, i) => `${split}[${i}]`);
}

function framesOf(
  list: readonly (readonly [file: string, ms: number])[],
  task: OpenedTask,
  split: string,
  rows: number,
  path: string,
): { files: string[]; frames: FrameIndex } {
  if (list.length !== rows) throw new DataError(`${path}: expected ${rows} frames, found ${list.length}`);
  const known = new Map((task.splits.get(split) ?? []).map((clip) => [clip.file, clip.events ?? []]));
  const files: string[] = [];
  const offsets: number[] = [];
  const events: (readonly TaskEvent[])[] = [];
  list.forEach(([file], row) => {
    if (file === files.at(-1)) return;
    const held = known.get(file);
    if (!held) throw new DataError(`${path}: frame ${row} is of ${file}, which ${split}.json lacks`);
    if (files.includes(file)) throw new DataError(`${path}: the frames of ${file} do not lie together`);
    files.push(file);
    offsets.push(row);
    events.push(held);
  });
  offsets.push(rows);
  return {
    files,
    frames: { offsets: Int32Array.from(offsets), timestamps: Float64Array.from(list, ([, ms]) => ms), events },
  };
}
