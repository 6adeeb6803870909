/** Saving and restoring a training run in the middle: parameters, buffers, optimiser state, step. */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Model } from '@unlabel/core';
import { loadCheckpoint, mergeParams, saveCheckpoint, type Optimizer } from '@unlabel/engine';
import type { RunDir } from '../run-dir.ts';

export interface TrainingState {
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly step: number;
  readonly seconds: number;
}

const stepName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`;

export async function saveTraining(run: RunDir, { model, optimizer, step, seconds }: TrainingState): Promise<void> {
  await saveCheckpoint(run.file('checkpoints', stepName(step)), {
    params: mergeParams(model.trainable, model.state),
    optimizer,
    step,
    meta: { seconds },
  });
  await dropCheckpoints(run, step);
}

/** The newest complete checkpoint, loaded into `model` and `optimizer`; undefined when there is none. */
export async function restoreTraining(
  run: RunDir,
  model: Model,
  optimizer: Optimizer,
): Promise<{ step: number; seconds: number } | undefined> {
  const newest = stepsOnDisk(run).at(-1);
  if (newest === undefined) return undefined;
  const { step, meta } = await loadCheckpoint(run.file('checkpoints', stepName(newest)), {
    params: mergeParams(model.trainable, model.state),
    optimizer,
  });
  return { step, seconds: Number(meta['seconds'] ?? 0) };
}

/** Keep the checkpoint of `step` only. */
export async function dropCheckpoints(run: RunDir, step: number): Promise<void> {
  for (const old of stepsOnDisk(run)) {
    if (old < step) await rm(run.file('checkpoints', stepName(old)), { force: true });
  }
}

function stepsOnDisk(run: RunDir): number[] {
  const dir = run.file('checkpoints');
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .flatMap((name) => /^step-(\d{8})\.safetensors$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
