/** What a few-shot run leaves on disk: one file a model × task × episodes × classifier, beside it the counts of every episode. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { canonicalJson, DataError, parseConfig } from '@unlabel/core';
import { decodeNpy, readJson, sha256 } from '@unlabel/formats';
import { z } from 'zod';
import { shortFingerprint } from '../evaluate/clips.ts';
import type { ModelDescription } from '../models/describe.ts';

export const summarySchema = z.strictObject({
  /** 0 … 1, or −1 … 1 of a difference. */
  mean: z.number(),
  /** Population's, over episodes. */
  sd: z.number(),
  /** Half width of 1.96·sd/√episodes. */
  ci95: z.number(),
  /** Half width with the variance of the choice of classes; null when all classes are in every episode. */
  ci95Classes: z.number().nullable(),
  classes: z.int(),
});

/** Everything the numbers depend on: equal keys, equal results. */
export const runKeySchema = z.strictObject({
  fingerprint: z.string(),
  task: z.string(),
  /** With the version and content of the task. */
  revision: z.string(),
  ways: z.int(),
  shots: z.int(),
  queries: z.int(),
  episodes: z.int(),
  classifier: z.string(),
  /** Length of a window; null for clips as they are. */
  seconds: z.number().nullable(),
  /** SHA-256 of the names of the clips of the tested and of the base classes. */
  classes: z.string(),
  seed: z.int(),
  precision: z.string(),
});
export type RunKey = z.output<typeof runKeySchema>;

export const fewShotResultSchema = z.strictObject({
  schema: z.literal(1),
  key: runKeySchema,
  model: z.strictObject({
    id: z.string(),
    method: z.string(),
    params: z.int(),
    embeddingSize: z.int(),
    source: z.string(),
    sawUnlabelled: z.array(z.string()),
  }),
  /** Tested classes with their clips, base classes, and classes left out for having too few clips. */
  classes: z.strictObject({
    test: z.array(z.tuple([z.string(), z.int()])),
    base: z.array(z.string()),
    left: z.array(z.string()),
  }),
  /** SHA-256 of the drawn clips: models with equal ones are compared episode by episode. */
  episodesHash: z.string(),
  accuracy: summarySchema,
  seconds: z.strictObject({ embed: z.number(), run: z.number() }),
  environment: z.record(z.string(), z.unknown()),
  /** File beside this one: rightly labelled queries of each episode, int32 [episodes]. */
  correct: z.string(),
});
export type FewShotResult = z.output<typeof fewShotResultSchema>;

export function resultFile(out: string, model: ModelDescription, key: RunKey): string {
  const { task, ways, shots, queries, episodes, classifier, seconds, seed } = key;
  const windows = seconds === null ? '' : `.${seconds}s`;
  const name = `${task}.${ways}w${shots}s${queries}q.${episodes}.${classifier}${windows}.${sha256(canonicalJson(key)).slice(0, 8)}.s${seed}.json`;
  return join(out, 'results', model.id, shortFingerprint(model.fingerprint), name);
}

export const readResult = async (file: string): Promise<FewShotResult> =>
  parseConfig(fewShotResultSchema, await readJson(file), file);

/** The result that is there, when it is whole and of the same key. */
export async function heldResult(file: string, key: RunKey): Promise<FewShotResult | undefined> {
  if (!existsSync(file)) return undefined;
  const parsed = fewShotResultSchema.safeParse(await readJson(file).catch(() => undefined));
  const isSame = parsed.success && canonicalJson(parsed.data.key) === canonicalJson(key);
  return isSame && existsSync(join(file, '..', parsed.data.correct)) ? parsed.data : undefined;
}

/** Rightly labelled queries of each episode. */
export async function readCorrect(file: string, result: FewShotResult): Promise<Int32Array> {
  const path = join(file, '..', result.correct);
  const { data } = decodeNpy(await readFile(path), path);
  if (!(data instanceof Int32Array) || data.length !== result.key.episodes)
    throw new DataError(`${path}: expected int32 counts of ${result.key.episodes} episodes. Delete it and run again.`);
  return data;
}

export const correctFile = (file: string): string => basename(file).replace(/\.json$/, '.npy');
