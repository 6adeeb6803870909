/** Saving and restoring a training run in the middle: parameters, buffers, optimiser state, step, targets of the items. */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { CheckpointError, type Model, type NdArray } from '@unlabel/core';
import { loadCheckpoint, mergeParams, readCheckpoint, saveCheckpoint, type Optimizer } from '@unlabel/engine';
import type { RunDir } from '../run-dir.ts';
import { loadTargets, saveTargets, type Targets } from './targets.ts';

export interface TrainingState {
  readonly model: Model;
  readonly optimizer: Optimizer;
  readonly step: number;
  readonly seconds: number;
  /** Epochs that `betweenEpochs` has been called for: the next is this one. */
  readonly preparedEpochs: number;
  /** The epoch whose `betweenEpochs` set the targets, when there are any. */
  readonly targetsEpoch: number | undefined;
}

export interface Resumed {
  readonly step: number;
  readonly seconds: number;
  readonly preparedEpochs: number;
  readonly targetsEpoch: number | undefined;
  readonly targets: Targets | undefined;
}

const stepName = (step: number): string => `step-${String(step).padStart(8, '0')}.safetensors`;
const targetsName = (epoch: number): string => `targets-${String(epoch).padStart(8, '0')}.safetensors`;

/** Before the first checkpoint that counts on them. */
export const saveEpochTargets = (run: RunDir, epoch: number, targets: Targets): Promise<void> =>
  saveTargets(run.file('checkpoints', targetsName(epoch)), targets);

export async function saveTraining(run: RunDir, state: TrainingState): Promise<void> {
  const { model, optimizer, step, seconds, preparedEpochs, targetsEpoch } = state;
  await saveCheckpoint(run.file('checkpoints', stepName(step)), {
    params: mergeParams(model.trainable, model.state),
    optimizer,
    step,
    meta: {
      seconds,
      ...(preparedEpochs > 0 && { preparedEpochs }),
      ...(targetsEpoch !== undefined && { targetsEpoch }),
    },
  });
  await dropCheckpoints(run, step, targetsEpoch);
}

/** The newest complete checkpoint, loaded into `model` and `optimizer`; undefined when there is none. */
export async function restoreTraining(run: RunDir, model: Model, optimizer: Optimizer): Promise<Resumed | undefined> {
  const newest = stepsOnDisk(run).at(-1);
  if (newest === undefined) return undefined;
  const { step, meta } = await loadCheckpoint(run.file('checkpoints', stepName(newest)), {
    params: mergeParams(model.trainable, model.state),
    optimizer,
  });
  const targetsEpoch = meta['targetsEpoch'] === undefined ? undefined : Number(meta['targetsEpoch']);
  return {
    step,
    seconds: Number(meta['seconds'] ?? 0),
    preparedEpochs: Number(meta['preparedEpochs'] ?? 0),
    targetsEpoch,
    targets:
      targetsEpoch === undefined ? undefined : await loadTargets(run.file('checkpoints', targetsName(targetsEpoch))),
  };
}

/** All of `Model.trainable` and `Model.state` at the newest checkpoint, by name, in torch's layout. */
export async function readTrainingArrays(run: RunDir): Promise<Readonly<Record<string, NdArray>>> {
  const newest = stepsOnDisk(run).at(-1);
  if (newest === undefined)
    throw new CheckpointError(`${run.path}: no checkpoint is left to take the whole state from.`);
  return (await readCheckpoint(run.file('checkpoints', stepName(newest)))).params;
}

/** Keep the checkpoint of `step` and the targets of `targetsEpoch` only. */
export async function dropCheckpoints(run: RunDir, step: number, targetsEpoch?: number): Promise<void> {
  for (const old of stepsOnDisk(run)) {
    if (old < step) await rm(run.file('checkpoints', stepName(old)), { force: true });
  }
  for (const old of numbersOnDisk(run, /^targets-(\d{8})\.safetensors$/)) {
    if (old !== targetsEpoch) await rm(run.file('checkpoints', targetsName(old)), { force: true });
  }
}

const stepsOnDisk = (run: RunDir): number[] => numbersOnDisk(run, /^step-(\d{8})\.safetensors$/);

function numbersOnDisk(run: RunDir, name: RegExp): number[] {
  const dir = run.file('checkpoints');
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .flatMap((file) => name.exec(file)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
