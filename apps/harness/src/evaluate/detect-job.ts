/** One network on one task with boxes: train the detection probe, detect, write the result and its detections. */
import { basename, dirname, join } from 'node:path';
import { ConfigError, createRng, type ImageInput, type ImageTask, type Result } from '@unlabel/core';
import { disposeParams, useEngine, type EngineOptions } from '@unlabel/engine';
import { sha256, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { decodeImage, letterboxImage } from '@unlabel/image';
import {
  detectionProtocols,
  fitDetector,
  isDetectionProtocol,
  scoreCocoResults,
  scoreVocResults,
  type CocoResult,
  type DetectedBox,
  type DetectionConfig,
  type DetectionImage,
  type DetectionScores,
  type LabelledImage,
  type PreparedImage,
} from '@unlabel/probes';
import {
  cocoTruthOf,
  detectionSplits,
  openImageTask,
  vocTruthOfImages,
  type CocoTask,
  type SplitImage,
  type VocTask,
} from '@unlabel/tasks';
import { imageInputOf } from '@unlabel/zoo';
import type { ModelDescription } from '../models/describe.ts';
import { isNetwork, openImageNetwork, tapOf } from '../models/resolve.ts';
import { version } from '../version.ts';
import { modelEntry } from './result-file.ts';

export interface DetectJob {
  readonly kind: 'detect';
  readonly model: ModelDescription;
  /** What `openImageTask` takes. */
  readonly taskPath: string;
  readonly protocol: string;
  readonly seed: number;
  /** First images of each split; default all. */
  readonly limit?: number | undefined;
  /** SHA-256 of the images' hashes. */
  readonly data: string;
  /** Bytes for maps. */
  readonly memory: number;
  /** Result file to write. */
  readonly file: string;
}

/** Folder beside the results for what was detected; boards read no results there. */
const folder = 'detections';

/** @throws ConfigError for a model that has no maps: statistics, models made elsewhere, chance */
export function checkDetects({ ref, id }: ModelDescription, protocol: string): void {
  if (!isDetectionProtocol(protocol)) return;
  const tap = tapOf(ref);
  if (tap) throw new ConfigError(`${id}: ${protocol} takes the maps of all stages; leave #${tap} away.`);
  if (isNetwork(ref)) return;
  throw new ConfigError(
    `${id}: ${protocol} needs the maps of a network, and ${id} gives one vector an image. Evaluate it with another protocol (\`unlabel ls protocols\`).`,
  );
}

/** @throws DataError or ConfigError naming what is wrong with the task, an image or the network */
export async function runDetectJob(
  job: DetectJob,
  engine: EngineOptions,
  report: (text: string) => void,
  config: DetectionConfig = detectionProtocols[job.protocol]!.config,
): Promise<{ seconds: number }> {
  const start = performance.now();
  const { model, protocol, seed, limit, file } = job;
  const probe = await useEngine(engine);
  const task = await openImageTask(job.taskPath);
  const { backbone, config: described, source } = await openImageNetwork(model.ref);
  try {
    const input = imageInputOf(described.input, source);
    const all = detectionSplits(task);
    const [train, test] = [all.train.slice(0, limit), all.test.slice(0, limit)];
    const detector = await fitDetector({
      id: model.id,
      backbone,
      images: train.map((one) => labelled(task, one, input, config)),
      classes: task.vocabulary.length,
      config,
      rng: createRng(seed).fork('detect').fork(task.id),
      memory: job.memory,
      onStep: (done, loss) => {
        if (done % 10 === 0 || done === config.steps) report(`step ${done}/${config.steps}, loss ${loss.toFixed(3)}`);
      },
    });
    const trained = performance.now();
    const found = await detector.detect(
      test.map((one) => imageOf(task, one, input, config)),
      (done) => done % 20 === 0 && report(`detect ${done}/${test.length}`),
    );
    detector.dispose();
    const { scores, lines } = score(task, test, found);
    const detections = join(folder, basename(file));
    await writeFileAtomic(join(dirname(file), detections), lines);
    const seconds = round((performance.now() - start) / 1000);
    await writeJsonAtomic(file, {
      schema: 1,
      model: modelEntry(model, backbone.width),
      task: { id: task.id, revision: task.revision, predictionType: 'multilabel', modality: 'image' },
      protocol: { id: protocol, options: { ...config } },
      seed,
      metrics: scores.metrics,
      primary: Object.keys(scores.metrics)[0]!,
      n: test.length,
      nFull: all.test.length,
      ...(limit !== undefined && { partial: { limit } }),
      ...(scores.resamples.every(Number.isFinite) && {
        resamples: Array.from(scores.resamples, (value) => Math.round(value * 1e6) / 1e6),
      }),
      hashes: { weights: model.fingerprint, data: job.data },
      selection: [{ trainingImages: train.length, firstLoss: detector.losses[0], lastLoss: detector.losses.at(-1) }],
      time: { embedSeconds: 0, probeSeconds: seconds },
      memory: { embedPeakBytes: 0, probePeakBytes: process.resourceUsage().maxRSS * 1024 },
      environment: {
        node: process.version,
        harness: version,
        probe: { ...probe },
        trainSeconds: round((trained - start) / 1000),
        notes: scores.notes,
      },
      predictions: detections,
    } satisfies Result);
    return { seconds };
  } finally {
    disposeParams(backbone.params);
    await task.close();
  }
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

function imageOf(
  task: ImageTask,
  { split, image }: SplitImage,
  input: ImageInput,
  config: DetectionConfig,
): DetectionImage {
  return {
    file: image.file,
    async load(): Promise<PreparedImage> {
      const pixels = await decodeImage(await task.readImage(split, image), { orientation: 'ignored' }, image.file);
      return letterboxImage(pixels, config.imageSize, input);
    },
  };
}

/** Crowds and difficult objects are neither found nor missed, so they are not trained on either. */
function labelled(task: ImageTask, one: SplitImage, input: ImageInput, config: DetectionConfig): LabelledImage {
  const objects = (one.image.objects ?? []).filter(({ isCrowd, isDifficult }) => !isCrowd && !isDifficult);
  return {
    ...imageOf(task, one, input, config),
    boxes: objects.flatMap(({ box: [x, y, w, h] }) => [x, y, x + w, y + h]),
    labels: objects.map(({ label }) => label),
  };
}

/** Scored are the rounded numbers that are written, so that `unlabel score` says the same of the file. */
function score(
  task: ImageTask,
  test: readonly SplitImage[],
  found: readonly (readonly DetectedBox[])[],
): { scores: DetectionScores; lines: string } {
  const options = { task: task.id };
  const rounded = (box: DetectedBox['box']) => box.map((side) => Math.round(side * 100) / 100) as [number, number, number, number]; // prettier-ignore
  const scoreOf = ({ score: value }: DetectedBox): number => Math.round(value * 1e5) / 1e5;
  if (task.layout === 'coco') {
    const coco = task as CocoTask; // by its layout
    const truth = cocoTruthOf(coco, test);
    const results = test.flatMap(({ image }, i) =>
      found[i]!.map((one): CocoResult => {
        const [x1, y1, x2, y2] = one.box;
        return {
          image_id: Number(image.id),
          category_id: truth.categories[one.label]!.id,
          bbox: rounded([x1, y1, x2 - x1, y2 - y1]),
          score: scoreOf(one),
        };
      }),
    );
    return { scores: scoreCocoResults(truth, results, options), lines: linesOf(results) };
  }
  const voc = task as VocTask; // tasks with boxes are of these two layouts
  const results = test.flatMap(({ image }, i) =>
    found[i]!.map((one) => ({
      image_id: image.id,
      category: task.vocabulary[one.label]!,
      score: scoreOf(one),
      bbox_xyxy: rounded(one.box),
    })),
  );
  const detections = results.map(({ image_id: image, category: name, score: value, bbox_xyxy: [x1, y1, x2, y2] }) => ({
    image,
    name,
    score: value,
    box: [x1 + 1, y1 + 1, x2, y2] as const, // VOC counts pixels from 1, the last included
  }));
  return {
    scores: scoreVocResults(vocTruthOfImages(voc, test), task.vocabulary, detections, options),
    lines: linesOf(results),
  };
}

const linesOf = (rows: readonly unknown[]): string => `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`;

/** Of the hashes of a task's images. */
export const dataHash = (splits: readonly (readonly [split: string, hashes: readonly string[]])[]): string =>
  sha256(splits.map(([split, hashes]) => `${split}\n${hashes.join('\n')}\n`).join(''));
