/** How a task's splits are used (hear.md §6.4), and its labels as targets. */
import type { Fold, Task } from '@unlabel/core';

/**
 * One fold for train/valid/test; for k folds sorted by name, k of them: fold i tests on split i, selects on split i + 1 and
 * trains on the rest.
 */
export function foldsOf(task: Task): Fold[] {
  if (task.folds) return [...task.folds];
  if (task.metadata.split_mode === 'trainvaltest') return [{ train: ['train'], valid: ['valid'], test: ['test'] }];
  const names = [...task.metadata.splits].sort();
  return names.map((test, i) => {
    const valid = names[(i + 1) % names.length]!;
    return { train: names.filter((name) => name !== test && name !== valid), valid: [valid], test: [test] };
  });
}

/** Clips of several splits one after another, with their labels as one row of zeros and ones each. */
export interface Targets {
  readonly clips: readonly { readonly split: string; readonly file: string }[];
  /** [clips, vocabulary], row-major. */
  readonly targets: Uint8Array;
}

export function targetsOf(task: Task, splits: readonly string[]): Targets {
  const rows = splits.flatMap((split) => (task.splits.get(split) ?? []).map((clip) => ({ split, clip })));
  const classes = task.vocabulary.length;
  const targets = new Uint8Array(rows.length * classes);
  rows.forEach(({ clip }, i) => {
    for (const label of clip.labels) targets[i * classes + label] = 1;
  });
  return { clips: rows.map(({ split, clip }) => ({ split, file: clip.file })), targets };
}
