/**
 * Weights on disk as safetensors: one file, or above a size shards with an index that says which tensor lies where, in the layout
 * Hugging Face uses. Reading is lazy: only headers are held, each tensor is read from its place when it is asked for.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, parseConfig, sizeOf, type NdArray } from '@unlabel/core';
import {
  encodeSafetensorsParts,
  openSafetensors,
  readJson,
  writeFileAtomic,
  writeJsonAtomic,
  type SafetensorsDtype,
  type SafetensorsReader,
} from '@unlabel/formats';
import { z } from 'zod';

export const weightsFile = 'model.safetensors';
export const shardIndexFile = 'model.safetensors.index.json';

/** How floats are stored; values are rounded to nearest even. */
export const weightDtypes = ['float32', 'float16', 'bfloat16'] as const;
export type WeightDtype = (typeof weightDtypes)[number];
const stored: Readonly<Record<WeightDtype, SafetensorsDtype>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };
const bytesPerValue: Readonly<Record<WeightDtype, number>> = { float32: 4, float16: 2, bfloat16: 2 };

export interface WriteWeightsOptions {
  /** Default float32. */
  readonly dtype?: WeightDtype;
  /** Bytes of tensors a file holds at most; default 2 GB. */
  readonly shardBytes?: number;
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)) });

/**
 * Writes arrays, by torch name, into `dir`. The index comes last: without it shards are no checkpoint.
 * @throws CheckpointError for a value that float16 cannot hold
 */
export async function writeWeights(
  dir: string,
  arrays: Readonly<Record<string, NdArray>>,
  { dtype = 'float32', shardBytes = 2e9 }: WriteWeightsOptions = {},
): Promise<void> {
  if (dtype === 'float16') checkRange(arrays);
  const shards = cutIntoShards(arrays, shardBytes, bytesPerValue[dtype]);
  const write = (file: string, names: readonly string[]): Promise<void> => {
    const tensors = Object.fromEntries(names.map((name) => [name, { ...arrays[name]!, dtype: stored[dtype] }]));
    return writeFileAtomic(join(dir, file), encodeSafetensorsParts(tensors, { format: 'pt' }));
  };
  if (shards.length <= 1) return write(weightsFile, shards[0] ?? []);
  const count = String(shards.length).padStart(5, '0');
  const map: Record<string, string> = {};
  let total = 0;
  for (const [i, names] of shards.entries()) {
    const file = `model-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`;
    await write(file, names);
    for (const name of names) {
      map[name] = file;
      total += arrays[name]!.data.length * bytesPerValue[dtype];
    }
  }
  await writeJsonAtomic(join(dir, shardIndexFile), { metadata: { total_size: total }, weight_map: map });
}

/** Names in their order, a new shard whenever the next tensor does not fit. */
function cutIntoShards(arrays: Readonly<Record<string, NdArray>>, shardBytes: number, valueBytes: number): string[][] {
  const shards: string[][] = [];
  let held = Infinity;
  for (const [name, { shape }] of Object.entries(arrays)) {
    const bytes = sizeOf(shape) * valueBytes;
    if (held + bytes > shardBytes) {
      shards.push([]);
      held = 0;
    }
    shards.at(-1)!.push(name);
    held += bytes;
  }
  return shards;
}

const largestHalf = 65504;

function checkRange(arrays: Readonly<Record<string, NdArray>>): void {
  for (const [name, { data }] of Object.entries(arrays)) {
    const bad = data.findIndex((value) => Math.abs(value) > largestHalf);
    if (bad >= 0)
      throw new CheckpointError(
        `${name}: ${data[bad]} does not fit float16, whose largest value is ${largestHalf}. Use bfloat16 or float32.`,
      );
  }
}

/** The files that hold the weights of a folder, in order. */
export async function weightFiles(dir: string): Promise<string[]> {
  if (existsSync(join(dir, weightsFile))) return [weightsFile];
  return [...new Set(Object.values(await readMap(dir))), shardIndexFile].sort();
}

async function readMap(dir: string): Promise<Record<string, string>> {
  const path = join(dir, shardIndexFile);
  return parseConfig(indexSchema, await readJson(path), path).weight_map;
}

export interface WeightsReader {
  readonly names: readonly string[];
  shapeOf(name: string): readonly number[];
  /** One tensor as float32. */
  read(name: string): Promise<NdArray>;
  close(): Promise<void>;
}

/**
 * Opens a folder's weights without reading a tensor.
 * @throws CheckpointError when a shard that the index names is missing, or lacks a tensor it should have
 */
export async function openWeights(dir: string): Promise<WeightsReader> {
  const isSharded = !existsSync(join(dir, weightsFile));
  const map = isSharded ? await readMap(dir) : undefined;
  const readers = new Map<string, SafetensorsReader>();
  const close = async (): Promise<void> => {
    await Promise.all([...readers.values()].map((reader) => reader.close()));
  };
  try {
    for (const file of map ? new Set(Object.values(map)) : [weightsFile]) {
      if (!existsSync(join(dir, file)))
        throw new CheckpointError(
          `${join(dir, file)}: is missing, and ${shardIndexFile} names it. Pull the checkpoint again.`,
        );
      readers.set(file, await openSafetensors(join(dir, file)));
    }
    const places = new Map<string, SafetensorsReader>(
      map
        ? Object.entries(map).map(([name, file]) => [name, readers.get(file)!])
        : readers.get(weightsFile)!.names.map((name) => [name, readers.get(weightsFile)!]),
    );
    for (const [name, reader] of places) {
      if (!reader.names.includes(name))
        throw new CheckpointError(`${dir}: ${shardIndexFile} says ${map![name]} holds ${name}, which it does not`);
    }
    const place = (name: string): SafetensorsReader => {
      const reader = places.get(name);
      if (!reader) throw new CheckpointError(`${dir}: holds no tensor ${name}`);
      return reader;
    };
    return {
      names: [...places.keys()],
      shapeOf: (name) => place(name).info(name).shape,
      read: (name) => place(name).readFloat32(name),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
