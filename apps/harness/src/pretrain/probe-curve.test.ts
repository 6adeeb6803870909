/** A probe curve of images along a run, beside what evaluation of the finished network gives. */
import { cp, mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { testEngine } from '@unlabel/engine';
import { runProbe, type ProbeSplit } from '@unlabel/probes';
import { foldsOf } from '@unlabel/tasks';
import { beforeAll, expect, test } from 'vitest';
import { silentDisplay } from '../display/display.ts';
import { loadImage } from '../evaluate/embed-images.ts';
import { openAnyTask } from '../evaluate/open-task.ts';
import { openImageModel, parseModel } from '../models/resolve.ts';
import { readLog } from '../run-dir.ts';
import { writePictures } from '../testing/pictures.ts';
import { writeSounds } from '../testing/sounds.ts';
import { pretrain } from './run.ts';

beforeAll(() => testEngine());

const folder = await mkdtemp(join(tmpdir(), 'probe-curve-'));
const [pictures, shapes] = [join(folder, 'pictures'), join(folder, 'shapes')];

/** Class folders of the three shapes, in three folds. */
async function writeTask(): Promise<void> {
  const paths = await writePictures(pictures, { count: 27, width: 20, height: 20 });
  for (const [i, path] of paths.entries()) {
    const dir = join(shapes, `fold0${Math.floor(i / 3) % 3}`, ['disc', 'bar', 'ring'][i % 3]!);
    await mkdir(dir, { recursive: true });
    await cp(path, join(dir, basename(path)));
  }
}

const run = (method: string, taskDir: string, data: string): Promise<unknown> =>
  pretrain({
    method,
    preset: 'smoke',
    overrides: { recipe: { steps: 4 } },
    data: [data],
    seed: 1,
    out: join(folder, method),
    probe: { taskDir, everySteps: 2 },
    engine: {},
    workers: 1,
    checkpointSeconds: 1e9,
    display: silentDisplay,
  });

test('the last point of the curve is the finished network’s score; a task of sounds is refused', async () => {
  await writeTask();
  await run('simclr', shapes, pictures);
  const points = await readLog(join(folder, 'simclr', 'probe.jsonl'));
  expect(points.map(({ step }) => step)).toEqual([0, 2, 4]);
  expect(await readFile(join(folder, 'simclr', 'probe.svg'), 'utf8')).toContain('top1_acc on shapes');

  const task = await openAnyTask(shapes);
  const splits = new Map<string, ProbeSplit>();
  const score = async (model: string, protocol = 'linear/v1'): Promise<number | null> => {
    const embedder = await openImageModel(parseModel(model, 0));
    for (const [split, list] of task.splits) {
      const images = await Promise.all(list.map(({ file }) => loadImage(task.wavPath(split, file, 0))));
      splits.set(split, {
        files: list.map(({ file }) => file),
        labels: list.map(({ labels }) => labels),
        embeddings: { data: await embedder.embedImages(images, 'center'), width: embedder.embeddingSize },
      });
    }
    embedder.dispose?.();
    const { metrics } = await runProbe({
      protocol,
      task: task.id,
      splits,
      folds: foldsOf(task),
      vocabulary: task.vocabulary,
      predictionType: 'multiclass',
      metrics: ['top1_acc'],
      seed: 0,
      resamples: 2,
      now: () => 0,
    });
    return metrics['top1_acc']!.value;
  };
  expect(points[2]!['top1_acc']).toBe(await score(join(folder, 'simclr')));
  expect(points[2]!['top1_acc_knn']).toBe(await score(join(folder, 'simclr'), 'knn-dino/v1'));
  expect(points[0]!['top1_acc']).toBe(await score(join(folder, 'simclr@init')));

  const sounds = join(folder, 'sounds');
  await writeSounds(sounds, { count: 4, seconds: 1 });
  await expect(run('delores-s', shapes, sounds)).rejects.toThrow('a task of modality image');
});
