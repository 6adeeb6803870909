/** A split's label file: `{ "<file>.wav": ["label", …] }`, for event tasks `[{ label, start, end }, …]` in ms. */
import type { TaskClip, TaskEvent, TaskMetadata } from '@unlabel/core';
import { isPlainObject } from '@unlabel/core';
import { isSafeName, shown, type Findings } from './read-text.ts';

/** Clips in the file's order. Faults are gathered; clips with faults are left out. */
export function parseLabels(
  name: string,
  value: unknown,
  metadata: TaskMetadata,
  vocabulary: ReadonlyMap<string, number> | undefined,
  { faults, warnings }: Findings,
): TaskClip[] {
  if (!isPlainObject(value)) {
    faults.push(`${name}: expected an object of files and labels, found ${shown(value)}`);
    return [];
  }
  const entries = Object.entries(value);
  if (entries.length === 0) faults.push(`${name}: the split is empty`);
  const clips: TaskClip[] = [];
  for (const [file, labels] of entries) {
    const fault = (message: string): number => faults.push(`${name}: ${shown(file)}: ${message}`);
    if (!isSafeName(file)) {
      fault('is not a plain file name; it would lead out of its folder');
      continue;
    }
    if (!Array.isArray(labels)) {
      fault(`expected a list of labels, found ${shown(labels)}`);
      continue;
    }
    const before = faults.length;
    const clip =
      metadata.embedding_type === 'event'
        ? eventClip(file, labels, metadata, vocabulary, fault, (text) =>
            warnings.push(`${name}: ${shown(file)}: ${text}`),
          )
        : sceneClip(file, labels, metadata, vocabulary, fault);
    if (faults.length === before) clips.push(clip);
  }
  return clips;
}

type Fault = (message: string) => number;

/** Labels are looked up as text; corpora with numeric labels may have written numbers. */
function indexOf(label: unknown, vocabulary: ReadonlyMap<string, number> | undefined, fault: Fault): number {
  if (typeof label !== 'string' && typeof label !== 'number') {
    fault(`expected a label, found ${shown(label)}`);
    return -1;
  }
  if (!vocabulary) return -1; // its own fault has been named
  const index = vocabulary.get(String(label));
  if (index === undefined) fault(`label ${shown(label)} is not in labelvocabulary.csv`);
  return index ?? -1;
}

function sceneClip(
  file: string,
  labels: readonly unknown[],
  metadata: TaskMetadata,
  vocabulary: ReadonlyMap<string, number> | undefined,
  fault: Fault,
): TaskClip {
  const indices = labels.map((label) => indexOf(label, vocabulary, fault));
  if (metadata.prediction_type === 'multiclass' && labels.length !== 1) {
    fault(
      `a multiclass clip has one label, found ${labels.length === 0 ? 'none' : `${labels.length}: ${shown(labels)}`}`,
    );
  }
  if (new Set(indices).size !== indices.length && !indices.includes(-1)) fault(`a label repeats in ${shown(labels)}`);
  return { file, labels: indices };
}

function eventClip(
  file: string,
  labels: readonly unknown[],
  metadata: TaskMetadata,
  vocabulary: ReadonlyMap<string, number> | undefined,
  fault: Fault,
  warn: (message: string) => number,
): TaskClip {
  const events = labels.flatMap((event, i): TaskEvent[] => {
    if (!isPlainObject(event)) {
      fault(`event ${i}: expected { label, start, end }, found ${shown(event)}`);
      return [];
    }
    const label = indexOf(event['label'], vocabulary, (message) => fault(`event ${i}: ${message}`));
    const { start, end } = event;
    if (!isTime(start) || !isTime(end) || end < start) {
      fault(`event ${i}: expected 0 ≤ start ≤ end in ms, found start ${shown(start)}, end ${shown(end)}`);
      return [];
    }
    const length = metadata.sample_duration;
    if (length !== null && start > length * 1000)
      warn(`event ${i} starts at ${start} ms, after the clip's ${length} s`);
    return [{ label, start, end }];
  });
  return { file, labels: [...new Set(events.map(({ label }) => label))].sort((a, b) => a - b), events };
}

const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
