/** Result files: where they lie, and whether one that is there may be kept. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig, resultSchema, type Result, type Task } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import type { Display } from '../display/display.ts';
import type { ModelDescription } from '../models/describe.ts';
import { shortFingerprint } from './clips.ts';

/** What to do with a result that is there: keep it unless its inputs changed, keep it whatever, make it again. */
export const rerunModes = ['missing', 'never', 'always'] as const;
export type Rerun = (typeof rerunModes)[number];

export interface ResultKey {
  readonly out: string;
  readonly protocol: string;
  readonly seed: number;
  readonly folds?: readonly number[] | undefined;
  readonly limit?: number | undefined;
}

/** A model as results state it. */
export const modelEntry = (model: ModelDescription, embeddingSize: number): Result['model'] => ({
  id: model.id,
  method: model.method,
  fingerprint: model.fingerprint,
  params: model.params,
  embeddingSize,
  sampleRate: model.sampleRate,
  source: model.source,
  sawUnlabelled: [...model.sawUnlabelled],
});

/** Partial results have names of their own: they never take a whole result's place. */
export function resultFile(
  { out, protocol, seed, folds, limit }: ResultKey,
  model: ModelDescription,
  task: Task,
): string {
  const part = `${folds ? `.folds-${folds.join('-')}` : ''}${limit === undefined ? '' : `.limit-${limit}`}`;
  const { mode = 'full' } = task.metadata;
  const variant = mode === 'full' ? '' : `-${mode}`; // NSynth's 5h and 50h have one id
  const name = `${task.id}${variant}.${protocol.replaceAll('/', '-')}.s${seed}${part}.json`;
  return join(out, 'results', model.id, shortFingerprint(model.fingerprint), name);
}

export async function readResult(file: string): Promise<Result> {
  return parseConfig(resultSchema, await readJson(file), file);
}

/** The result on disk, when it may be kept. A broken file is made again. */
export async function heldResult(
  file: string,
  rerun: Rerun,
  model: ModelDescription,
  task: Task,
  display: Display,
): Promise<Result | undefined> {
  if (rerun === 'always' || !existsSync(file)) return undefined;
  try {
    const result = resultSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const isCurrent = result.task.revision === task.revision && result.model.fingerprint === model.fingerprint;
    const isWhole = existsSync(join(file, '..', result.predictions));
    return rerun === 'never' || (isCurrent && isWhole) ? result : undefined;
  } catch {
    display.warn(`${file} cannot be read; it is made again`);
    return undefined;
  }
}
