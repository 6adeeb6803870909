/** An image task as evaluation takes tasks: one vector an image, splits with labels, folds. */
import { DataError, type Fold, type ImageTask, type Task, type TaskClip, type TaskImage } from '@unlabel/core';
import type { OpenedTask } from '../read-task.ts';

/** Of a task without validation images, each fifth training image of a class chooses. */
const selectionShare = 5;
const parts = { fit: 'train-fit', select: 'train-select' } as const;

/**
 * - Folds (`fold00` …) are used in turn, as HEAR uses them.
 * - Else train, validation and test are the splits of these names (`train2017`, `val`, …); VOC's `trainval` stands in for a missing
 *   train. Without a test split the validation split is tested, as ImageNet and COCO are; without another one, training images
 *   choose.
 * Multiclass tasks report accuracy; multilabel ones VOC's mean average precision, which leaves out ignored images.
 * @throws DataError when there is nothing to train on or to test
 */
export function imageEvaluation(task: ImageTask): OpenedTask {
  const { folds, splits, origin } = imageSplits(task);
  const paths = new Map<string, string>();
  for (const [split, images] of splits)
    for (const image of images) paths.set(`${split}\n${image.file}`, task.imagePath(origin(split), image));
  const isMulticlass = task.predictionType === 'multiclass';
  return {
    id: task.id,
    revision: task.revision,
    dir: task.dir,
    modality: 'image',
    hasBoxes: task.hasBoxes,
    metadata: {
      task_name: task.id,
      version: 'v1',
      embedding_type: 'scene',
      prediction_type: task.predictionType,
      split_mode: folds.length > 1 ? 'new_split_kfold' : 'trainvaltest',
      splits: [...splits.keys()],
      sample_duration: null,
      evaluation: isMulticlass ? ['top1_acc', 'mAP'] : ['voc_ap', 'mAP'],
    },
    vocabulary: task.vocabulary,
    splits: new Map([...splits].map(([split, images]) => [split, images.map(clipOf)])),
    folds,
    sampleRates: [],
    wavPath: (split, file) => {
      const path = paths.get(`${split}\n${file}`);
      if (path !== undefined) return path;
      throw new DataError(`${task.dir}: ${file} is no image of ${split}`);
    },
  } satisfies Task & OpenedTask;
}

const clipOf = ({ file, labels, ignored }: TaskImage): TaskClip => ({ file, labels, ...(ignored && { ignored }) });

export interface ArrangedSplits {
  readonly folds: readonly Fold[];
  readonly splits: ReadonlyMap<string, readonly TaskImage[]>;
  /** The task's own split that holds a split's images. */
  readonly origin: (split: string) => string;
}

/** Splits and folds by the rules of `imageEvaluation`. */
export function imageSplits({ splits, dir, predictionType }: ImageTask): ArrangedSplits {
  const names = [...splits.keys()];
  const inFolds = names.filter((name) => /^fold\d+$/.test(name)).sort();
  if (inFolds.length > 0) {
    if (inFolds.length < 3) throw new DataError(`${dir}: has ${inFolds.length} folds; expected 3 or more`);
    const folds = inFolds.map((test, i): Fold => {
      const valid = inFolds[(i + 1) % inFolds.length]!;
      return { train: inFolds.filter((name) => name !== test && name !== valid), valid: [valid], test: [test] };
    });
    return { folds, splits: new Map(inFolds.map((name) => [name, splits.get(name)!])), origin: (split) => split };
  }
  const named = (pattern: RegExp): string | undefined => names.find((name) => pattern.test(name));
  const train = named(/^train(?!val)/) ?? named(/^trainval/);
  const ownTest = named(/^test/);
  const valid = train?.startsWith('trainval') ? undefined : named(/^val/);
  const test = ownTest ?? valid;
  if (train === undefined || test === undefined)
    throw new DataError(`${dir}: expected splits to train on and to test, found ${names.join(', ')}`);
  if (valid !== undefined && ownTest !== undefined) {
    const kept = [train, valid, test];
    return {
      folds: [{ train: [train], valid: [valid], test: [test] }],
      splits: new Map(kept.map((name) => [name, splits.get(name)!])),
      origin: (split) => split,
    };
  }
  const { fit, select } = divide(splits.get(train)!, predictionType === 'multiclass');
  return {
    folds: [{ train: [parts.fit], valid: [parts.select], test: [test] }],
    splits: new Map([[parts.fit, fit], [parts.select, select], [test, splits.get(test)!]]), // prettier-ignore
    origin: (split) => (split === test ? test : train),
  };
}

/** Each fifth image of a class, or of all where images have several. */
function divide(images: readonly TaskImage[], byClass: boolean): { fit: TaskImage[]; select: TaskImage[] } {
  const seen = new Map<number, number>();
  const [fit, select]: [TaskImage[], TaskImage[]] = [[], []];
  for (const image of images) {
    const key = byClass ? image.labels[0]! : 0;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    (count % selectionShare === 0 ? select : fit).push(image);
  }
  return { fit, select };
}
