/** The files of a model folder that can be read without an engine. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { modelConfigSchema, parseConfig, sizeOf, type ModelConfig } from '@unlabel/core';
import { openSafetensors, readJson, sha256 } from '@unlabel/formats';

export const weightsFile = 'model.safetensors';

/** Whether a folder holds a kept network. */
export const isModelDir = (dir: string): boolean =>
  existsSync(join(dir, 'config.json')) && existsSync(join(dir, weightsFile));

export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const path = join(dir, 'config.json');
  return parseConfig(modelConfigSchema, await readJson(path), path);
}

/** Hash of weights and config: embeddings made with another value are never reused. */
export async function fingerprintFile(dir: string): Promise<string> {
  const [weights, config] = await Promise.all([readFile(join(dir, weightsFile)), readFile(join(dir, 'config.json'))]);
  return sha256(Buffer.concat([weights, config]));
}

/** Number of trainable values: all but running statistics. Reads the header only. */
export async function countValues(dir: string): Promise<number> {
  const reader = await openSafetensors(join(dir, weightsFile));
  try {
    const trained = reader.names.filter((name) => !/(^|\.)running_(mean|var)$/.test(name));
    return trained.reduce((sum, name) => sum + sizeOf(reader.info(name).shape), 0);
  } finally {
    await reader.close();
  }
}
