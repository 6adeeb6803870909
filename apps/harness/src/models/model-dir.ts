/** Writing and reading the kept network: `model.safetensors` + `config.json` in a folder. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, createRng, type Backbone, type ModelConfig, type NdArray } from '@unlabel/core';
import { backboneFamilies } from '@unlabel/backbones';
import { assignArrays, toArrays } from '@unlabel/engine';
import { encodeSafetensorsParts, openSafetensors, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { fingerprintFile, readModelConfig, weightsFile } from './model-files.ts';

/** Written beside and renamed: a model folder is whole or absent. */
export async function saveModelDir(dir: string, backbone: Backbone, config: ModelConfig): Promise<void> {
  const staging = `${dir}.tmp`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  const arrays = await toArrays(backbone.params);
  await writeFileAtomic(join(staging, weightsFile), encodeSafetensorsParts(arrays, { format: 'pt' }));
  await writeJsonAtomic(join(staging, 'config.json'), config);
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
  const reader = await openSafetensors(join(dir, weightsFile));
  try {
    const arrays: Record<string, NdArray> = {};
    for (const name of reader.names) arrays[name] = await reader.readFloat32(name);
    assignArrays(backbone.params, arrays);
  } finally {
    await reader.close();
  }
  return { config, backbone, fingerprint: await fingerprintFile(dir) };
}
