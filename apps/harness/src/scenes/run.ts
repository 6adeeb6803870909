/** What `unlabel scenes` does: each model in turn, and a table of all. */
import { ConfigError } from '@unlabel/core';
import { useEngine } from '@unlabel/engine';
import type { ScenesCliOptions } from '../commands/scenes.ts';
import { createDisplay } from '../display/display.ts';
import { parseModel } from '../models/resolve.ts';
import { engineOptionsOf } from '../options.ts';
import { createScorer, type SceneResult } from './score.ts';

/** Columns of tables of scene scores. */
export const sceneColumns: readonly { readonly name: string; readonly valueOf: (result: SceneResult) => number }[] = [
  { name: 'scene R@1', valueOf: ({ scores }) => scores.retrieval.scene.recall[0]! },
  { name: 'scene mAP', valueOf: ({ scores }) => scores.retrieval.scene.mAP },
  { name: 'class mAP', valueOf: ({ scores }) => scores.retrieval.class.mAP },
  { name: 'S3R error', valueOf: ({ scores }) => scores.superResolution.error },
  { name: 'S3R ENV', valueOf: ({ scores }) => scores.superResolution.envelope },
  { name: 'mIoU', valueOf: ({ scores }) => scores.semantic.mean },
];

export async function runScenes(models: readonly string[], options: ScenesCliOptions): Promise<void> {
  const refs = models.map((text) => {
    const ref = parseModel(text, options.seed);
    if (ref.kind !== 'directory') throw new ConfigError(`${text}: expected a run directory or a model folder.`);
    return ref;
  });
  await useEngine(engineOptionsOf(options));
  const display = createDisplay(options.display);
  const score = createScorer();
  const { data, split, steps, seed, out, fineTune: isFineTuned = false } = options;
  const progress = display.task('scenes', refs.length, 'models');
  const results: SceneResult[] = [];
  for (const ref of refs) {
    const model = isFineTuned ? `${ref.id}-fine-tuned` : ref.id;
    results.push(await score({ dir: ref.dir, model, data, split, steps, isFineTuned, seed, out }));
    progress.update(results.length);
  }
  progress.finish();
  display.close();
  const rows = results.map((result) => [
    result.model,
    ...sceneColumns.map(({ valueOf }) => valueOf(result).toFixed(3)),
  ]);
  const head = ['model', ...sceneColumns.map(({ name }) => name)];
  const widths = head.map((name, c) => Math.max(name.length, ...rows.map((row) => row[c]!.length)));
  for (const row of [head, ...rows])
    process.stdout.write(`${row.map((cell, c) => cell.padEnd(widths[c]!)).join('  ').trimEnd()}\n`); // prettier-ignore
  process.stdout.write(
    `R@k and mAP: nearest windows by cosine. S3R: error as a share of silence's, envelope distance (lower is better). ${split} scenes.\n`,
  );
}
