/**
 * Which code computes which golden. Every package that the harness depends on is asked for its `goldens` (or `…Goldens`)
 * export, so a method registers its targets by exporting them; what spans packages stands here.
 */
import { readFile } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import {
  ConfigError,
  DataError,
  parseConfig,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type GoldenTargets,
  type NdArray,
} from '@unlabel/core';
import { decodeAudio, readJson, sha256 } from '@unlabel/formats';
import { hearPredictor } from './predict/goldens.ts';
import { atstCheckpoints } from './zoo/golden-atst.ts';
import { z } from 'zod';
import { isRecord } from './golden-compare.ts';

/** A target whose expected numbers stand in the golden's cases instead of among its tensors. */
export interface ExpectingTarget extends GoldenTarget {
  expected?(golden: GoldenFile): GoldenOutputs;
}

const manifestSchema = z.looseObject({ dependencies: z.record(z.string(), z.string()) });

/** All targets by golden name or `prefix*`. Packages are imported now, not when this module loads. */
export async function collectTargets(): Promise<ReadonlyMap<string, ExpectingTarget>> {
  const path = new URL('../package.json', import.meta.url);
  const manifest = parseConfig(manifestSchema, await readJson(path.pathname), 'apps/harness/package.json');
  const targets = new Map<string, ExpectingTarget>(Object.entries(ownTargets));
  for (const name of Object.keys(manifest.dependencies)) {
    if (!name.startsWith('@unlabel/')) continue;
    const module: unknown = await import(name);
    for (const [key, target] of targetsIn(module)) {
      if (targets.has(key))
        throw new ConfigError(`golden target "${key}" of ${name} is already taken by another package`);
      targets.set(key, target);
    }
  }
  return targets;
}

function targetsIn(module: unknown): [string, ExpectingTarget][] {
  if (typeof module !== 'object' || module === null) return [];
  return Object.entries(module)
    .filter(([name]) => name === 'goldens' || name.endsWith('Goldens'))
    .flatMap(([, table]) => (isRecord(table) ? Object.entries(table) : []))
    .filter((entry): entry is [string, ExpectingTarget] => isTarget(entry[1]));
}

const isTarget = (value: unknown): boolean => isRecord(value) && typeof value['run'] === 'function';

/** Exact name, else the longest `prefix*`, else the same without a trailing `-<number>` (`barlow-fixed-2`). */
export function pickTarget<T>(targets: ReadonlyMap<string, T>, name: string): T | undefined {
  const exact = targets.get(name);
  if (exact !== undefined) return exact;
  const prefixes = [...targets.keys()].filter((key) => key.endsWith('*') && name.startsWith(key.slice(0, -1)));
  const longest = prefixes.toSorted((a, b) => b.length - a.length)[0];
  if (longest !== undefined) return targets.get(longest);
  const shorter = name.replace(/-\d+$/, '');
  return shorter === name ? undefined : pickTarget(targets, shorter);
}

const wavCasesSchema = z.array(
  z.looseObject({
    file: z.string(),
    sr: z.int().positive(),
    channels: z.int().positive(),
    frames: z.int().nonnegative(),
    sha256: z.string().optional(),
    output: z.string(),
  }),
);

/** Audio files beside the golden → [channels, frames]. */
const wavDecode: GoldenTarget = {
  async run(golden, tools) {
    const cases = parseConfig(wavCasesSchema, golden.cases, `golden ${golden.name}: cases`);
    const outputs: Record<string, NdArray> = {};
    for (const { file, sr, channels, frames, output, ...one } of cases) {
      const path = resolve(tools.dir, file);
      if (!path.startsWith(`${resolve(tools.dir)}${sep}`)) throw new DataError(`${file}: lies outside ${tools.dir}`);
      const bytes = await readFile(path);
      if (one.sha256 !== undefined && sha256(bytes) !== one.sha256) {
        throw new DataError(`${path}: its SHA-256 is not the one the golden states; fetch the file again`);
      }
      const audio = await decodeAudio(bytes, path);
      if (audio.sampleRate !== sr || audio.channels.length !== channels || audio.frames !== frames) {
        const found = `${audio.sampleRate} Hz, ${audio.channels.length} channels, ${audio.frames} frames`;
        throw new DataError(`${path}: expected ${sr} Hz, ${channels} channels, ${frames} frames; found ${found}`);
      }
      const data = new Float32Array(channels * frames);
      audio.channels.forEach((samples, c) => data.set(samples, c * frames));
      outputs[output] = { data, shape: [channels, frames] };
    }
    return outputs;
  },
};

const ownTargets: GoldenTargets = {
  'atst-checkpoints': atstCheckpoints,
  'wav-decode*': wavDecode,
  'hear-predictor': hearPredictor,
};
