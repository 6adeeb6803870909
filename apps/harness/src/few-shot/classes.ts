/** A labelled task as classes of clips, and its split into base, validation and test classes, which is kept on disk. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, createRng, DataError, parseConfig } from '@unlabel/core';
import { readJson, writeJsonAtomic } from '@unlabel/formats';
import type { ClassShares } from '@unlabel/probes';
import { z } from 'zod';
import type { TaskPlan } from '../evaluate/clips.ts';

/** One clip of a class. */
export interface ClassClip {
  readonly hash: string;
  /** `train/a.wav`: the same whatever the rate a model hears. */
  readonly name: string;
}

export interface ClassedTask {
  /** Clips of each class of the vocabulary, in the order of splits and label files. */
  readonly clips: ReadonlyMap<string, readonly ClassClip[]>;
  /** What was left out and why, one line each. */
  readonly notes: readonly string[];
}

/**
 * The clips of all splits by class. A clip with several labels, or none, belongs to no class; the same audio twice in a class counts
 * once, and in two classes not at all, since it cannot be told what it is.
 */
export function classesOf({ task, splits }: TaskPlan): ClassedTask {
  const owners = new Map<string, Set<string>>();
  const clips = new Map<string, ClassClip[]>();
  let [unclear, twice] = [0, 0];
  for (const { split, clips: list } of splits) {
    list.forEach(({ hash }, i) => {
      const { file, labels } = task.splits.get(split)![i]!;
      if (labels.length !== 1) {
        unclear++;
        return;
      }
      const name = task.vocabulary[labels[0]!]!;
      const clip = { hash, name: `${split}/${file}` };
      const owner = owners.get(hash) ?? new Set<string>();
      owners.set(hash, owner);
      if (owner.has(name)) {
        twice++;
        return;
      }
      owner.add(name);
      const held = clips.get(name);
      if (held) held.push(clip);
      else clips.set(name, [clip]);
    });
  }
  const shared = new Set([...owners].filter(([, names]) => names.size > 1).map(([hash]) => hash));
  for (const [name, list] of clips) {
    clips.set(
      name,
      list.filter(({ hash }) => !shared.has(hash)),
    );
  }
  const notes = [
    unclear > 0 && `${unclear} clips without exactly one label are left out`,
    twice > 0 && `${twice} clips are copies of another of their class and are left out`,
    shared.size > 0 && `${shared.size} clips are in two classes and are left out`,
  ].filter((note) => note !== false);
  return { clips, notes };
}

export const classSplitSchema = z.strictObject({
  /** How it came about. */
  about: z.string(),
  /** Base classes: what `cl2n` takes its mean from. */
  train: z.array(z.string()),
  valid: z.array(z.string()),
  test: z.array(z.string()).min(1),
});
export type ClassSplit = z.output<typeof classSplitSchema>;

/** `all`, `70/10/20` (percent of train, valid and test classes), or a file that names the classes. */
export type ClassChoice = 'all' | ClassShares | { readonly file: string };

/** @throws ConfigError for what is none of the three */
export function parseClassChoice(text: string): ClassChoice {
  if (text === 'all') return 'all';
  const shares = /^(\d{1,2})\/(\d{1,2})\/(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (shares) {
    const [train, valid, test] = shares as [number, number, number];
    if (train + valid + test !== 100 || test === 0)
      throw new ConfigError(`--classes ${text}: expected percent that sum to 100, such as 70/10/20`);
    return { train: train / 100, valid: valid / 100, test: test / 100 };
  }
  if (existsSync(text)) return { file: text };
  throw new ConfigError(
    `--classes ${text}: expected all, shares such as 70/10/20, or a JSON file with train, valid and test lists of class names`,
  );
}

/**
 * The split of a task's classes. One drawn at random is written to `dir` the first time and read from there afterwards, so that it
 * stays what it is.
 * @throws ConfigError for a file that is no split, DataError when it names a class that the task has not, or one twice
 */
export async function classSplit(
  choice: ClassChoice,
  classed: ClassedTask,
  at: { readonly dir: string; readonly task: string; readonly revision: string; readonly seed: number },
): Promise<ClassSplit> {
  const names = [...classed.clips.keys()].sort();
  if (choice === 'all') return { about: 'all classes', train: [], valid: [], test: names };
  if ('file' in choice)
    return checked(parseConfig(classSplitSchema, await readJson(choice.file), choice.file), names, choice.file);
  const { train, valid, test } = choice;
  const percent = [train, valid, test].map((share) => Math.round(100 * share));
  const file = join(
    at.dir,
    `${at.task}.${at.revision.replace(/[^\w.-]+/g, '-')}.${percent.join('-')}.s${at.seed}.json`,
  );
  if (existsSync(file)) return checked(parseConfig(classSplitSchema, await readJson(file), file), names, file);
  const order = [...createRng(at.seed).fork('class-split').fork(at.task).permutation(names.length)].map(
    (i) => names[i]!,
  );
  const tested = Math.max(1, Math.round(test * names.length));
  const validated = Math.min(names.length - tested, Math.round(valid * names.length));
  const split: ClassSplit = {
    about: `${percent.join('/')} % of ${names.length} classes of ${at.task} ${at.revision}, seed ${at.seed}`,
    train: order.slice(0, names.length - tested - validated).sort(),
    valid: order.slice(names.length - tested - validated, names.length - tested).sort(),
    test: order.slice(names.length - tested).sort(),
  };
  await writeJsonAtomic(file, split);
  return split;
}

function checked(split: ClassSplit, names: readonly string[], file: string): ClassSplit {
  const all = [...split.train, ...split.valid, ...split.test];
  const unknown = all.filter((name) => !names.includes(name));
  if (unknown.length > 0)
    throw new DataError(`${file}: ${unknown.length} classes are not among the task's, such as ${unknown[0]}`, {
      faults: unknown,
    });
  const repeated = all.filter((name, i) => all.indexOf(name) !== i);
  if (repeated.length > 0) throw new DataError(`${file}: ${repeated[0]} is there twice; splits must not share classes`);
  return split;
}
