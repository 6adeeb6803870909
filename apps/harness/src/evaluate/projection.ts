/** The embeddings picture of a run: each task's clips in two dimensions, by class. */
import { basename, dirname, join } from 'node:path';
import { foldsOf, type OpenedTask } from '@unlabel/tasks';
import { planTask, storeOf } from './clips.ts';
import { readSplits } from './splits.ts';
import { committedClips } from './store.ts';
import { describeModel } from '../models/describe.ts';
import type { ModelRef } from '../models/resolve.ts';
import { writeProjection } from '../pictures/projection.ts';

/**
 * Write `<run>/embeddings-<task>.svg` for every multiclass scene task of at most 20 classes. `cache` holds the embeddings.
 */
export async function writeTaskProjection(
  cache: string,
  ref: ModelRef,
  tasks: readonly OpenedTask[],
  precision: string | undefined,
): Promise<void> {
  if (ref.kind !== 'directory' || basename(ref.dir) !== 'model') return; // only a run directory has room for pictures
  const run = dirname(ref.dir);
  const model = await describeModel(ref);
  for (const task of tasks) {
    const { prediction_type: prediction, embedding_type: kind } = task.metadata;
    if ((task.modality ?? 'audio') !== model.modality) continue;
    if (prediction !== 'multiclass' || kind !== 'scene' || task.vocabulary.length > 20) continue;
    const { splits } = await planTask(task, { sampleRate: model.sampleRate, folds: foldsOf(task), cache });
    const store = storeOf(cache, model, kind, precision, task.modality === 'image' ? 'center' : undefined);
    const shards = splits.flatMap((split) => split.shards);
    const done = await Promise.all(
      shards.map(async (shard) => (await committedClips(store, shard)) >= shard.clips.length),
    );
    if (!done.every(Boolean)) continue; // results kept, embeddings deleted
    const read = await readSplits(task, {
      store,
      shards: shards.map(({ name }) => name),
      splits: splits.map(({ split, clips }) => [split, clips.map(({ hash }) => hash)]),
    });
    const rows: Float32Array[] = [];
    const classes: string[] = [];
    for (const { embeddings, labels } of read.splits.values()) {
      labels.forEach(([label], i) => {
        rows.push((embeddings!.data as Float32Array).subarray(i * read.width, (i + 1) * read.width));
        classes.push(task.vocabulary[label!]!);
      });
    }
    await writeProjection(
      join(run, `embeddings-${task.id}.svg`),
      `${model.id} on ${task.id}: first two principal components`,
      rows,
      classes,
    );
  }
}
