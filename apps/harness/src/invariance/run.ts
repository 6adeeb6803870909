/** What `unlabel invariance` does: clips, transformations, embeddings, distances, report. */
import { join } from 'node:path';
import { ConfigError } from '@unlabel/core';
import { readModelConfig } from '@unlabel/zoo/files';
import type { OpenedTask } from '@unlabel/tasks';
import type { InvarianceCliOptions } from '../commands/invariance.ts';
import { createDisplay } from '../display/display.ts';
import { openTasks } from '../evaluate/run.ts';
import { Interrupted, commandLine, watchInterrupt } from '../interrupt.ts';
import { describeModel } from '../models/describe.ts';
import { isNetwork, openModel, parseModel, type ModelRef } from '../models/resolve.ts';
import { engineOptionsOf } from '../options.ts';
import { lockDir } from '../run-dir.ts';
import { drawClips, embedMoved } from './clips.ts';
import { measure, type InvarianceRow, type Part } from './measure.ts';
import { tableText, withMeans, writeReport } from './report.ts';

export async function runInvariance(models: readonly string[], cli: InvarianceCliOptions): Promise<void> {
  const display = createDisplay(cli.display);
  const refs = models.map((model) => parseModel(model, cli.seed, cli));
  for (const ref of refs) {
    const { id, modality } = await describeModel(ref);
    if (modality !== 'audio') throw new ConfigError(`${id}: embeds no sounds; expected models of sounds.`);
  }
  const tasks = await openTasks(cli.tasks, cli.only, 1, display);
  const silent = tasks.find(({ modality }) => modality === 'image');
  if (silent) throw new ConfigError(`${silent.id}: has images; expected tasks of sounds.`);
  const unlock = await lockDir(cli.out);
  let isStopped = false;
  const interrupt = watchInterrupt(() => {
    isStopped = true;
    display.line('stopping after these clips; finished pieces are kept');
  });
  try {
    if (refs.some(isNetwork)) {
      const { useEngine } = await import('@unlabel/engine');
      await useEngine(engineOptionsOf(cli));
    }
    const cache = join(cli.out, 'cache');
    const options = { clips: cli.clips, seconds: cli.seconds, seed: cli.seed, precision: cli.precision ?? 'float32', cache };
    const drawn: (readonly [OpenedTask, Awaited<ReturnType<typeof drawClips>>])[] = [];
    for (const task of tasks) drawn.push([task, await drawClips(task, options)]);
    const total = refs.length * drawn.reduce((sum, [, clips]) => sum + clips.length, 0);
    const progress = display.task('transform and embed', total, 'clips');
    const rows: InvarianceRow[] = [];
    let done = 0;
    for (const ref of refs) {
      const embedder = await openModel(ref);
      const parts = await partsOf(ref, embedder.sceneEmbeddingSize);
      for (const [task, clips] of drawn) {
        const moved = await embedMoved(embedder, clips, options, (count) => {
          progress.update(done + count, `${embedder.id} on ${task.id}`);
          if (isStopped) throw new Interrupted(`stopped. To go on: ${commandLine()}`);
        });
        done += clips.length;
        rows.push(...measure(moved, parts, { model: embedder.id, task: task.id, seed: cli.seed }));
      }
      embedder.dispose?.();
    }
    progress.finish(`${total} clips`);
    const all = withMeans(rows);
    await writeReport(cli.out, all);
    process.stdout.write(tableText(all));
    process.stdout.write(`invariance.csv, .json and .svg are in ${cli.out}\n`);
  } finally {
    interrupt.release();
    await unlock();
    display.close();
  }
} // prettier-ignore

/** The whole embedding; of an MT-SLVR network with adapters or two heads, its halves besides. */
async function partsOf(ref: ModelRef, width: number): Promise<Part[]> {
  const whole: Part = { name: 'whole', from: 0, to: width };
  if (ref.kind !== 'directory') return [whole];
  const { backbone } = await readModelConfig(ref.dir);
  if (backbone.id !== 'resnet-adapters' || backbone.config['tasks'] !== 2) return [whole];
  return [{ name: 'contrastive', from: 0, to: width / 2 }, { name: 'predictive', from: width / 2, to: width }, whole];
}
