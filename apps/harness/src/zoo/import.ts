/** What `unlabel zoo import` does: an authors' file becomes a checkpoint folder. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { ConfigError, type ModelConfig, type NdArray } from '@unlabel/core';
import { backboneFamilies } from '@unlabel/backbones';
import { sha256File, writeJsonAtomic } from '@unlabel/formats';
import { importCheckpoint, type Imported } from '@unlabel/zoo';
import { configFile, countValues, writeCard, writeManifest, writeWeights, type WeightDtype } from '@unlabel/zoo/files';
import { embeddingSizes } from './embedding-sizes.ts';

export interface ImportFileOptions {
  readonly out: string;
  readonly id?: string | undefined;
  readonly upstream?: string | undefined;
  readonly select?: string | undefined;
  readonly strict: boolean;
  readonly dtype: WeightDtype;
  readonly licence: string;
  /** Mean and deviation of the front-end's output, for models that are normalised by their data. */
  readonly normalization?: { readonly mean: number; readonly std: number } | undefined;
}

export interface ImportOutcome {
  readonly imported: Pick<Imported, 'map' | 'config' | 'report'>;
  readonly tensors: number;
  /** Whether the network can be built here: its family exists. */
  readonly isUsable: boolean;
}

/** @throws ConfigError when the folder is there; CheckpointError as `importCheckpoint` */
export async function importFile(file: string, options: ImportFileOptions): Promise<ImportOutcome> {
  const { out, dtype, licence } = options;
  if (existsSync(out)) throw new ConfigError(`${out}: is there already; remove it or choose another --out`);
  const imported = await importCheckpoint(file, options);
  const { map, config, tensors, report } = imported;
  const staging = `${resolve(out)}.tmp`;
  try {
    await rm(staging, { recursive: true, force: true });
    await mkdir(staging, { recursive: true });
    const arrays: Record<string, NdArray> = {};
    for (const [name, tensor] of tensors) arrays[name] = await tensor.read();
    await writeWeights(staging, arrays, { dtype });
    const isUsable = map.family in backboneFamilies;
    const backbone = { id: map.family, config: { ...(map.familyConfig?.(config) ?? config) } };
    const embedding = isUsable ? await embeddingSizes(backbone) : undefined;
    const model: ModelConfig = {
      schema: 1,
      method: map.id,
      methodConfig: {},
      backbone,
      ...(embedding && { embedding }),
      input: { ...map.input },
      normalization: options.normalization ?? null,
      training: { seed: 0, steps: 0, items: 0, sawUnlabelled: [] },
    };
    await writeJsonAtomic(join(staging, configFile), model);
    await writeCard(staging, {
      schema: 1,
      id: options.id ?? basename(out),
      title: `${map.title}, imported`,
      licence,
      restricted: false,
      method: map.id,
      paper: null,
      source: `${basename(file)}, names as ${map.source}`,
      data: ['as its authors say'],
      sawUnlabelled: [],
      backbone: map.family,
      params: await countValues(staging),
      dtype,
      sampleRate: Number(map.input?.['sampleRate']) || null,
      embeddingSize: embedding ?? { scene: 0, timestamp: 0 }, // a family that is not built here does not say
      training: null,
      limits: [...(map.caution ? [map.caution] : []), ...report.faults.map((fault) => `left out: ${fault}`)],
      results: [],
    });
    await writeManifest(staging, await sha256File(file));
    await rename(staging, out);
    return { imported: { map, config, report }, tensors: tensors.size, isUsable };
  } finally {
    await imported.close();
  }
}
