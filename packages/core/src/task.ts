/**
 * A downstream task on disk in HEAR's layout (protocols/hear.md §2): `task_metadata.json`, `labelvocabulary.csv`, one label
 * file a split, `<rate>/<split>/<file>.wav`.
 */
import { z } from 'zod';

/** Unknown fields are tolerated: the corpus carries provenance that evaluation does not read. */
export const taskMetadataSchema = z.looseObject({
  task_name: z.string().min(1),
  version: z.string().min(1),
  mode: z.string().optional(),
  embedding_type: z.enum(['scene', 'event']),
  prediction_type: z.enum(['multiclass', 'multilabel']),
  split_mode: z.enum(['trainvaltest', 'new_split_kfold', 'presplit_kfold']),
  splits: z.array(z.string().min(1)).min(1),
  nfolds: z.int().positive().optional(),
  /** Seconds, or null for variable length. */
  sample_duration: z.number().positive().nullable(),
  /** Metric names; the first is the primary and the one selection uses. */
  evaluation: z.array(z.string().min(1)).min(1),
});
export type TaskMetadata = z.output<typeof taskMetadataSchema>;

export type MetricName =
  | 'top1_acc'
  | 'pitch_acc'
  | 'chroma_acc'
  | 'mAP'
  | 'voc_ap'
  | 'aucroc'
  | 'd_prime'
  | 'event_onset_200ms_fms'
  | 'event_onset_50ms_fms'
  | 'event_onset_offset_50ms_20perc_fms'
  | 'segment_1s_er';

export interface TaskEvent {
  /** Index into the vocabulary. */
  readonly label: number;
  /** Milliseconds from the clip's start. */
  readonly start: number;
  readonly end: number;
}

export interface TaskClip {
  readonly file: string;
  /** Indices into the vocabulary; one for multiclass, zero or more for multilabel; of an event task, its events' labels, each once. */
  readonly labels: readonly number[];
  /** VOC's flag 0: classes of which an image has only difficult objects. */
  readonly ignored?: readonly number[] | undefined;
  /** Event tasks: what happens in the clip, in the order of the label file. */
  readonly events?: readonly TaskEvent[];
}

/** A task opened from a directory. Clip order in a split is the order of its label file. */
export interface Task {
  /** `fluid-family`: the directory name without version and mode. */
  readonly id: string;
  /** Version and content: `v1-full@<12 hex of label files, vocabulary and metadata>`. */
  readonly revision: string;
  readonly dir: string;
  readonly metadata: TaskMetadata;
  readonly vocabulary: readonly string[];
  readonly splits: ReadonlyMap<string, readonly TaskClip[]>;
  /** What its clips are; default audio. */
  readonly modality?: 'audio' | 'image';
  /** Whether its images have boxes, for protocols that detect. */
  readonly hasBoxes?: boolean;
  /** How the splits are used, where the metadata's `split_mode` does not say it. */
  readonly folds?: readonly Fold[];
  /** Path of an image, or of a clip's wav at the wanted rate, or at the nearest rate present (the reader resamples). */
  wavPath(split: string, file: string, sampleRate: number): string;
  /** Free text of the directory's NOTICE for the board, and whether a model may have seen its audio unlabelled. */
  readonly note?: string;
}

/** One way to use a task's splits: test on one, select on one, train on the rest. */
export interface Fold {
  readonly train: readonly string[];
  readonly valid: readonly string[];
  readonly test: readonly string[];
}

/** An object in an image. */
export interface ImageObject {
  /** Index into the vocabulary. */
  readonly label: number;
  /** [x, y, width, height] in pixels from 0, ends excluded, whatever the layout on disk counts from. */
  readonly box: readonly [number, number, number, number];
  /** Pixels² of the object as COCO states it; the box's without. */
  readonly area: number;
  /** COCO: a group, which may be detected any number of times and is never missed. */
  readonly isCrowd: boolean;
  /** VOC: neither found nor missed. */
  readonly isDifficult: boolean;
}

export interface TaskImage {
  /** VOC's name, COCO's number, `class/file` of class folders. */
  readonly id: string;
  /** Its file, for `ImageTask.readImage` and messages. */
  readonly file: string;
  /** Pixels as stored, where the annotations state them. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Indices of the classes it has: one for multiclass, any number for multilabel. */
  readonly labels: readonly number[];
  /** VOC's flag 0: classes of which it has only difficult objects. */
  readonly ignored?: readonly number[];
  /** Tasks with boxes. */
  readonly objects?: readonly ImageObject[];
}

/** A downstream task on images, opened from files as their makers lay them out. */
export interface ImageTask {
  readonly layout: 'voc' | 'coco' | 'folders';
  readonly id: string;
  /** Layout and content: `voc@<12 hex of the labels>`. */
  readonly revision: string;
  readonly dir: string;
  readonly predictionType: 'multiclass' | 'multilabel';
  readonly hasBoxes: boolean;
  readonly vocabulary: readonly string[];
  /** Images in the order of their list. */
  readonly splits: ReadonlyMap<string, readonly TaskImage[]>;
  /** Path of an image's file, or `archive.zip#entry` (`readImageFile`). */
  imagePath(split: string, image: TaskImage): string;
  /** Bytes of an image's file, from a folder or an archive. */
  readImage(split: string, image: TaskImage): Promise<Uint8Array>;
  close(): Promise<void>;
}
