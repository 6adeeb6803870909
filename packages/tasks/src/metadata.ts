/** `task_metadata.json`: the schema of core, and what the schema cannot say. */
import { taskMetadataSchema, unknownName, type MetricName, type TaskMetadata } from '@unlabel/core';
import { isSafeName, shown, type Findings } from './read-text.ts';

export const metadataFile = 'task_metadata.json';

const metricNames: Readonly<Record<MetricName, true>> = {
  top1_acc: true,
  pitch_acc: true,
  chroma_acc: true,
  mAP: true,
  voc_ap: true,
  aucroc: true,
  d_prime: true,
  event_onset_200ms_fms: true,
  event_onset_50ms_fms: true,
  event_onset_offset_50ms_20perc_fms: true,
  segment_1s_er: true,
};

/** Beehive's clips, the longest of HEAR, have ten minutes. */
const maxSeconds = 24 * 3600;
const minSeconds = 0.001;

/** The metadata, or undefined with faults; with faults it may still be returned, so that the rest can be checked. */
export function parseMetadata(value: unknown, { faults }: Findings): TaskMetadata | undefined {
  const fault = (message: string): number => faults.push(`${metadataFile}: ${message}`);
  const parsed = taskMetadataSchema.safeParse(value);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      fault(path.length === 0 ? message : `field ${path.join('.')}: ${message}`);
    }
    return undefined;
  }
  const metadata = parsed.data;
  for (const field of ['task_name', 'version', 'mode'] as const) {
    const name = metadata[field];
    if (name !== undefined && !isSafeName(name))
      fault(`field ${field}: ${shown(name)} cannot be part of a folder's name`);
  }
  for (const name of metadata.evaluation) {
    if (!Object.hasOwn(metricNames, name)) fault(unknownName('metric', name, Object.keys(metricNames)));
  }
  const { sample_duration: duration } = metadata;
  if (duration !== null && !(duration >= minSeconds && duration <= maxSeconds)) {
    fault(`field sample_duration: expected ${minSeconds} to ${maxSeconds} seconds or null, found ${duration}`);
  }
  checkSplits(metadata, fault);
  return metadata;
}

function checkSplits({ splits, split_mode: mode, nfolds }: TaskMetadata, fault: (message: string) => number): void {
  for (const split of splits) {
    if (!isSafeName(split)) fault(`field splits: ${shown(split)} is not a plain name; it would lead out of the task`);
  }
  if (new Set(splits).size !== splits.length) fault(`field splits: a name repeats in ${shown(splits)}`);
  if (mode === 'trainvaltest') {
    const expected = ['train', 'valid', 'test'];
    const missing = expected.filter((split) => !splits.includes(split));
    const extra = splits.filter((split) => !expected.includes(split));
    if (missing.length > 0) fault(`field splits: ${missing.join(', ')} missing; found ${shown(splits)}`);
    if (extra.length > 0) fault(`field splits: ${shown(extra)} are none of train, valid, test`);
    return;
  }
  if (splits.length < 3) fault(`field splits: k folds need three or more (test, valid, train), found ${shown(splits)}`);
  if (nfolds !== undefined && nfolds !== splits.length) {
    fault(`field nfolds: says ${nfolds}, field splits names ${splits.length}`);
  }
}
