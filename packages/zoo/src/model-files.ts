/** The files of a model folder that can be read without an engine: `config.json` and `model.safetensors`, or its shards. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { modelConfigSchema, parseConfig, sizeOf, type ModelConfig } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { openWeights, shardIndexFile, weightFiles, weightsFile } from './weights.ts';

export const configFile = 'config.json';

/** Whether a folder holds a kept network. */
export const isModelDir = (dir: string): boolean =>
  existsSync(join(dir, configFile)) && (existsSync(join(dir, weightsFile)) || existsSync(join(dir, shardIndexFile)));

export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const path = join(dir, configFile);
  return parseConfig(modelConfigSchema, await readJson(path), path);
}

/** Hash of weights and config, read as a stream: embeddings made with another value are never reused. */
export async function fingerprintFile(dir: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [...(await weightFiles(dir)), configFile]) {
    for await (const block of createReadStream(join(dir, file))) hash.update(block as Buffer);
  }
  return hash.digest('hex');
}

/** Number of trainable values: all but running statistics. Reads headers only. */
export async function countValues(dir: string): Promise<number> {
  const weights = await openWeights(dir);
  try {
    const trained = weights.names.filter((name) => !/(^|\.)(running_(mean|var)|num_batches_tracked)$/.test(name));
    return trained.reduce((sum, name) => sum + sizeOf(weights.shapeOf(name)), 0);
  } finally {
    await weights.close();
  }
}
