/**
 * Checkpoints: one safetensors file holding parameters (`model.<name>`), optimiser state (`optimizer.<slot>.<name>`) and, in its
 * metadata, a JSON record of step, generator state and whatever the caller adds. One file, written under a temporary name and
 * renamed: complete or absent. Floats are stored as float32 in torch's layout, so values come back bit for bit.
 */
import { z } from 'zod';
import { CheckpointError, messageOf, type NdArray, type Params, type RngState } from '@unlabel/core';
import { encodeSafetensorsParts, openSafetensors, writeFileAtomic } from '@unlabel/formats';
import { assignArrays, checkArrays, toArrays } from './params.ts';
import type { Optimizer } from './optim/optimizer.ts';

const recordSchema = z.strictObject({
  format: z.literal('unlabel-checkpoint'),
  version: z.literal(1),
  step: z.int().nonnegative(),
  optimizerSteps: z.int().nonnegative(),
  rng: z.array(z.int().min(0).max(0xffffffff)).length(4).optional(),
  meta: z.record(z.string(), z.unknown()),
});

const RECORD = 'unlabel';

export interface CheckpointContent {
  /** Trainable parameters and buffers: everything needed to go on or to embed. */
  readonly params: Params;
  readonly optimizer?: Optimizer;
  readonly rng?: RngState;
  /** Optimiser steps done. */
  readonly step: number;
  /** JSON: method, config, epoch, … */
  readonly meta?: Readonly<Record<string, unknown>>;
}

export interface LoadedCheckpoint {
  readonly step: number;
  readonly rng: RngState | undefined;
  readonly meta: Readonly<Record<string, unknown>>;
  /** By name, torch's layout. */
  readonly params: Readonly<Record<string, NdArray>>;
  readonly optimizer: Readonly<Record<string, NdArray>>;
  readonly optimizerSteps: number;
}

/** Write a checkpoint to `path` (`….safetensors`), replacing an older one only when the new one is whole. */
export async function saveCheckpoint(path: string, content: CheckpointContent): Promise<void> {
  const tensors: Record<string, NdArray> = {};
  for (const [name, array] of Object.entries(await toArrays(content.params))) tensors[`model.${name}`] = array;
  if (content.optimizer) {
    for (const [name, array] of Object.entries(await toArrays(content.optimizer.state)))
      tensors[`optimizer.${name}`] = array;
  }
  const record: z.input<typeof recordSchema> = {
    format: 'unlabel-checkpoint',
    version: 1,
    step: content.step,
    optimizerSteps: content.optimizer?.steps ?? 0,
    ...(content.rng ? { rng: [...content.rng] } : {}),
    meta: { ...content.meta },
  };
  await writeFileAtomic(path, encodeSafetensorsParts(tensors, { [RECORD]: JSON.stringify(record) }));
}

/** Read a checkpoint. A file that is not one, or is damaged, is a CheckpointError naming it. */
export async function readCheckpoint(path: string): Promise<LoadedCheckpoint> {
  const reader = await openSafetensors(path).catch((cause: unknown) => {
    throw new CheckpointError(messageOf(cause), { cause });
  });
  try {
    const record = parseRecord(reader.metadata[RECORD], path);
    const params: Record<string, NdArray> = {};
    const optimizer: Record<string, NdArray> = {};
    for (const name of reader.names) {
      const target = name.startsWith('model.') ? params : name.startsWith('optimizer.') ? optimizer : undefined;
      if (!target) throw new CheckpointError(`${path}: tensor ${name} is neither of the model nor of the optimizer`);
      target[name.slice(name.indexOf('.') + 1)] = await reader.readFloat32(name);
    }
    const { step, optimizerSteps, meta, rng } = record;
    return { step, optimizerSteps, meta, params, optimizer, rng: rng as unknown as RngState | undefined }; // length checked by the schema
  } finally {
    await reader.close();
  }
}

function parseRecord(text: string | undefined, path: string): z.output<typeof recordSchema> {
  if (text === undefined) {
    throw new CheckpointError(
      `${path}: a safetensors file without an unlabel record; import it as foreign weights instead`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(`${path}: its record is not JSON (${messageOf(cause)})`, { cause });
  }
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) throw new CheckpointError(`${path}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

export interface LoadTargets {
  readonly params?: Params;
  readonly optimizer?: Optimizer;
}

/**
 * Read a checkpoint into `targets`: names and shapes must match exactly, or it is a CheckpointError listing the faults and
 * nothing is changed.
 */
export async function loadCheckpoint(path: string, targets: LoadTargets = {}): Promise<LoadedCheckpoint> {
  const loaded = await readCheckpoint(path);
  try {
    if (targets.optimizer) checkArrays(targets.optimizer.state, loaded.optimizer);
    if (targets.params) assignArrays(targets.params, loaded.params);
    if (targets.optimizer) {
      assignArrays(targets.optimizer.state, loaded.optimizer);
      targets.optimizer.steps = loaded.optimizerSteps;
    }
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    throw new CheckpointError(`${path}: ${cause.message}`, { cause, faults: cause.faults });
  }
  return loaded;
}
