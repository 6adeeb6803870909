/** Writing and reading the kept network: weights and `config.json` in a folder. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, createRng, type Backbone, type ModelConfig, type NdArray } from '@unlabel/core';
import { backboneFamilies } from '@unlabel/backbones';
import { assignArrays, toArrays } from '@unlabel/engine';
import { writeJsonAtomic } from '@unlabel/formats';
import { configFile, fingerprintFile, readModelConfig } from './model-files.ts';
import { openWeights, writeWeights, type WriteWeightsOptions } from './weights.ts';

/** Written beside and renamed: a model folder is whole or absent. */
export async function saveModelDir(
  dir: string,
  backbone: Backbone,
  config: ModelConfig,
  options: WriteWeightsOptions = {},
): Promise<void> {
  const staging = `${dir}.tmp`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await writeWeights(staging, await toArrays(backbone.params), options);
  await writeJsonAtomic(join(staging, configFile), config);
  await rm(dir, { recursive: true, force: true });
  await rename(staging, dir);
}

export interface LoadedModel {
  readonly config: ModelConfig;
  readonly backbone: Backbone;
  /** Hash of weights and config. */
  readonly fingerprint: string;
}

/** Build the backbone a folder describes and fill it with its weights. The engine must be running. */
export async function loadModelDir(dir: string): Promise<LoadedModel> {
  const config = await readModelConfig(dir);
  const family = backboneFamilies[config.backbone.id];
  if (!family) {
    throw new CheckpointError(
      `${dir}: backbone "${config.backbone.id}" is unknown; known are ${Object.keys(backboneFamilies).join(', ')}.`,
    );
  }
  const backbone = family.build(config.backbone.config, createRng(0));
  const weights = await openWeights(dir);
  try {
    const arrays: Record<string, NdArray> = {};
    for (const name of weights.names) arrays[name] = await weights.read(name);
    assignArrays(backbone.params, arrays);
  } finally {
    await weights.close();
  }
  return { config, backbone, fingerprint: await fingerprintFile(dir) };
}
