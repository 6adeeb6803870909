/** The embeddings picture of a run: each task's clips in two dimensions, by class. */
import { basename, dirname, join } from 'node:path';
import type { Task } from '@unlabel/core';
import { hashClips, storeOf } from './clips.ts';
import { hasShard, readShards } from './store.ts';
import { describeModel } from '../models/describe.ts';
import type { ModelRef } from '../models/resolve.ts';
import { writeProjection } from '../pictures/projection.ts';

/** Write `<run>/embeddings-<task>.svg` for every multiclass task of at most 20 classes. `out` holds the embeddings. */
export async function writeTaskProjection(out: string, ref: ModelRef, tasks: readonly Task[]): Promise<void> {
  if (ref.kind !== 'directory' || basename(ref.dir) !== 'model') return; // only a run directory has room for pictures
  const run = dirname(ref.dir);
  const model = await describeModel(ref);
  for (const task of tasks) {
    if (task.metadata.prediction_type !== 'multiclass' || task.vocabulary.length > 20) continue;
    const { clips, shards } = await hashClips(task, model.sampleRate);
    const store = storeOf(out, model);
    if (!shards.every((shard) => hasShard(store, shard))) continue; // results kept, embeddings deleted
    const embeddings = await readShards(store, shards);
    const rows: Float32Array[] = [];
    const classes: string[] = [];
    for (const [split, list] of task.splits) {
      for (const { file, labels } of list) {
        rows.push(embeddings.row(clips.get(`${split}/${file}`)!.hash));
        classes.push(task.vocabulary[labels[0]!]!);
      }
    }
    await writeProjection(
      join(run, `embeddings-${task.id}.svg`),
      `${model.id} on ${task.id}: first two principal components`,
      rows,
      classes,
    );
  }
}
