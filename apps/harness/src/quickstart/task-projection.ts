/** The embeddings picture of a run: each task's clips in two dimensions, by class. */
import { join } from 'node:path';
import type { Task } from '@unlabel/core';
import { hashClips, storeOf } from '../evaluate/clips.ts';
import { readShards } from '../evaluate/store.ts';
import { describeModel } from '../models/describe.ts';
import { parseModel } from '../models/resolve.ts';
import { writeProjection } from '../pictures/projection.ts';

/** Write `<run>/embeddings-<task>.svg` for every multiclass task whose embeddings are in the store. */
export async function writeTaskProjection({
  out,
  run,
  tasks,
}: {
  out: string;
  run: string;
  tasks: readonly Task[];
}): Promise<void> {
  const model = await describeModel(parseModel(run, 0));
  for (const task of tasks) {
    if (task.metadata.prediction_type !== 'multiclass' || task.vocabulary.length > 20) continue;
    const { clips, shards } = await hashClips(task, model.sampleRate);
    const embeddings = await readShards(storeOf(out, model), shards);
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
