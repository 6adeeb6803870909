/** The detection probe on tasks as users have them: COCO (partly in a zip) and a VOC tree, their files, and what is refused. */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRng, resultSchema } from '@unlabel/core';
import { encodeZip } from '@unlabel/formats';
import { encodeJpeg, encodePng } from '@unlabel/image';
import { detectionConfigSchema } from '@unlabel/probes';
import { buildLeaderboards } from '@unlabel/leaderboard';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../models/describe.ts';
import { parseModel } from '../models/resolve.ts';
import { scoreCoco } from '../score/coco.ts';
import { scoreVoc } from '../score/voc.ts';
import { checkDetects, runDetectJob, type DetectJob } from './detect-job.ts';
import { openAnyTask } from './open-task.ts';
import { checkProbe } from './probe-job.ts';

const folder = await mkdtemp(join(tmpdir(), 'detect-'));
const put = async (path: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await writeFile(join(folder, path), content);
};

interface Scene {
  readonly image: { readonly width: number; readonly height: number; readonly data: Uint8Array };
  readonly boxes: readonly (readonly [number, number, number, number])[];
}

/** A bright square on noise, of 60 × 40 pixels. */
function scene(seed: number): Scene {
  const rng = createRng(seed);
  const [width, height, side] = [60, 40, 16];
  const [x, y] = [rng.int(width - side), rng.int(height - side)];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [column, row] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const isInside = column >= x && column < x + side && row >= y && row < y + side;
    return (isInside ? 220 : 40) + rng.int(20);
  });
  return { image: { width, height, data }, boxes: [[x, y, side, side]] };
}

async function writeCoco(): Promise<void> {
  for (const [split, seeds] of [
    ['train', [1, 2, 3, 4, 5, 6]],
    ['val', [11, 12, 13]],
  ] as const) {
    const scenes = seeds.map(scene);
    const files = scenes.map(({ image }, i) => [`${split}/${i}.png`, encodePng(image)] as const);
    if (split === 'train') await put('coco/train.zip', encodeZip(Object.fromEntries(files)));
    else for (const [name, bytes] of files) await put(`coco/${name}`, bytes);
    await put(
      `coco/annotations/instances_${split}.json`,
      JSON.stringify({
        images: scenes.map(({ image: { width, height } }, i) => ({ id: i + 5, width, height, file_name: `${i}.png` })),
        annotations: scenes.flatMap(({ boxes }, i) =>
          boxes.map((bbox) => ({ id: i + 1, image_id: i + 5, category_id: 9, bbox, area: 256, iscrowd: 0 })),
        ),
        categories: [{ id: 9, name: 'square' }],
      }),
    );
  }
}

async function writeVoc(): Promise<void> {
  for (const [split, seeds] of [
    ['train', [1, 2, 3, 4, 5, 6]],
    ['test', [11, 12, 13]],
  ] as const) {
    for (const seed of seeds) {
      const { image, boxes } = scene(seed);
      await put(`voc/JPEGImages/${seed}.jpg`, await encodeJpeg(image, 95));
      const objects = boxes.map(
        ([x, y, w, h]) =>
          `<object><name>square</name><difficult>0</difficult><bndbox><xmin>${x + 1}</xmin><ymin>${y + 1}</ymin><xmax>${x + w}</xmax><ymax>${y + h}</ymax></bndbox></object>`,
      );
      await put(
        `voc/Annotations/${seed}.xml`,
        `<annotation><size><width>60</width><height>40</height><depth>3</depth></size>${objects.join('')}</annotation>`,
      );
    }
    await put(`voc/ImageSets/Main/${split}.txt`, `${seeds.join('\n')}\n`);
    await put(`voc/ImageSets/Main/square_${split}.txt`, seeds.map((seed) => `${seed}  1\n`).join(''));
  }
}

beforeAll(async () => {
  await writeCoco();
  await writeVoc();
});

const config = detectionConfigSchema.parse({ imageSize: 64, strides: [8, 16], channels: 8, steps: 2, batchSize: 2 });

describe('a job', () => {
  const run = async (task: string, name: string) => {
    const model = await describeModel(parseModel('random:moco@smoke', 0));
    const file = join(folder, `out/results/moco/x/${name}.json`);
    const job: DetectJob = {
      kind: 'detect',
      model,
      taskPath: join(folder, task),
      protocol: 'detect/v1',
      seed: 0,
      data: 'd',
      memory: 1e8,
      file,
    };
    const notes: string[] = [];
    const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as 'auto';
    await runDetectJob(job, { engine, deterministic: true }, (note) => notes.push(note), config);
    const result = resultSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return { result, detections: join(dirname(file), result.predictions), notes };
  };

  test('writes a result whose detections have the same score by themselves, of COCO', async () => {
    const { result, detections, notes } = await run('coco', 'squares');
    expect([result.primary, result.n, result.nFull, result.task.id]).toEqual(['AP', 3, 3, 'coco']);
    expect(result.protocol).toMatchObject({ id: 'detect/v1', options: { steps: 2, nmsIou: 0.6 } });
    expect(notes).toEqual([`step 2/2, loss ${(result.selection[0]!['lastLoss'] as number).toFixed(3)}`]);
    const annotations = join(folder, 'coco/annotations/instances_val.json');
    const { output } = await scoreCoco({
      annotations,
      results: detections,
      iou: 'bbox',
      categories: true,
      idZero: 'as-any',
      format: 'json',
    });
    const { stats, detections: count } = JSON.parse(output) as { stats: Record<string, number>; detections: number };
    expect(count).toBeGreaterThan(10);
    for (const [name, value] of Object.entries(stats)) expect(result.metrics[name]!.value, name).toBe(value);
    const { AP, AP50, APsmall } = result.metrics;
    expect(AP50!.low).toBeLessThanOrEqual(AP50!.value!);
    expect(AP!.high).toBeGreaterThanOrEqual(AP!.value!);
    expect(APsmall!.low).toBeNull();
    expect(result.resamples).toHaveLength(1000);
    const again = await run('coco', 'again');
    expect(await readFile(again.detections, 'utf8')).toBe(await readFile(detections, 'utf8'));
  });

  test('of VOC', async () => {
    const { result, detections } = await run('voc', 'squares-voc');
    expect([result.primary, result.n]).toEqual(['AP50', 3]);
    const scored = await scoreVoc({
      tree: join(folder, 'voc'),
      split: 'test',
      results: detections,
      rules: 'devkit',
      format: 'json',
    });
    const { mean } = JSON.parse(scored.output) as { mean: { ap11: number[]; apArea: number[] } };
    expect(result.metrics['AP50']!.value).toBe(mean.apArea[0]);
    expect(result.metrics['AP50_11point']!.value).toBe(mean.ap11[0]);
    expect(result.metrics['AP75']!.value).toBe(mean.apArea[5]);
  });

  test('on a board, which says how it differs from the papers', async () => {
    const out = join(folder, 'out');
    const [board] = await buildLeaderboards({ dirs: [out], out: join(out, 'board'), title: 'Boxes', color: false });
    expect(board!.warnings.filter((warning) => !warning.includes('set aside'))).toEqual([]);
    expect(board!.leaderboard.tasks.map(({ id, primary }) => [id, primary])).toEqual([['coco', 'AP'], ['voc', 'AP50']]); // prettier-ignore
    const page = await readFile(join(out, 'board/leaderboard.html'), 'utf8');
    for (const text of [page, board!.table]) {
      const words = text.replaceAll(/\s+/g, ' ');
      expect(words).toContain(
        'trained on frozen maps for 2 steps of 2 images of 64 pixels. The papers fine-tune the whole',
      );
    }
  });

  test('a damaged image and boxes that are not known end it with their names', async () => {
    await cp(join(folder, 'voc'), join(folder, 'voc-cut'), { recursive: true });
    const image = join(folder, 'voc-cut/JPEGImages/12.jpg');
    await writeFile(image, (await readFile(image)).subarray(0, 200));
    await expect(run('voc-cut', 'cut')).rejects.toThrow(/JPEGImages\/12\.jpg: the image is damaged or cut off/);
    await rm(join(folder, 'voc-cut/Annotations/3.xml'));
    await expect(run('voc-cut', 'lost')).rejects.toThrow(/3\.xml|3 of train has no annotation/);
  });
});

describe('the command', () => {
  const cli = fileURLToPath(new URL('../cli.ts', import.meta.url));
  const unlabel = (...args: string[]): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, ['--conditions=@unlabel/source', '--no-warnings', cli, ...args], {
      cwd: folder,
      env: { ...process.env, UNLABEL_DISPLAY: 'none', CI: '1' },
      encoding: 'utf8',
    });

  test('refuses what has no maps and what has no boxes, with the reason', async () => {
    await put('folders/train/a/1.png', encodePng(scene(1).image));
    await put('folders/val/a/2.png', encodePng(scene(2).image));
    const run = unlabel('eval', 'color-stats', '--tasks', 'coco', '--protocol', 'detect/v1', '-o', 'out-refused');
    expect(run.stderr).toMatch(/color-stats: detect\/v1 needs the maps of a network/);
    expect(run.status).toBe(2);
    const chance = await describeModel(parseModel('chance', 0));
    expect(() => checkDetects(chance, 'detect/v1')).toThrow('chance: detect/v1 needs the maps of a network');
    expect(() => checkDetects(chance, 'linear/v1')).not.toThrow();
    const [folders, coco] = [await openAnyTask(join(folder, 'folders')), await openAnyTask(join(folder, 'coco'))];
    expect(() => checkProbe(folders, 'detect/v1', undefined)).toThrow('folders: has no boxes');
    expect(() => checkProbe(coco, 'detect/v1', [0])).toThrow('--folds: detect/v1 trains on all images');
    expect(unlabel('ls', 'protocols').stdout).toMatch(/detect\/v1 +boxes/);
  }, 60_000);
});
