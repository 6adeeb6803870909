/**
 * `features:FILE`: embeddings of images that another program made, looked up by the images' files. A `.npz` holds `features` [n, D] (or
 * `embeddings`) and `ids` (or `files`, `names`) [n]; beside a `.npy` [n, D] lies `.json`, a list of ids or `{"files": […]}` as
 * `unlabel embed` writes it, or `.txt` with an id a line. An id is a file's name, with or without its ending, or the end of its path.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { ConfigError, DataError, parseConfig, type ImageEmbedder, type NdArray, type TypedArray } from '@unlabel/core';
import { decodeNpy, decodeNpyNames, readJson, readZip, sha256 } from '@unlabel/formats';
import { z } from 'zod';

export interface FeaturesRef {
  readonly kind: 'features';
  readonly id: string;
  readonly file: string;
}

/** @throws ConfigError for a file that is not there or of another kind */
export function featuresRef(text: string): FeaturesRef {
  const file = resolve(text.slice('features:'.length));
  if (!/\.np[yz]$/.test(file)) throw new ConfigError(`${text}: expected a .npy or .npz file`);
  if (!existsSync(file)) throw new ConfigError(`${text}: there is no such file`);
  return { kind: 'features', id: basename(file).replace(/\.np[yz]$/, ''), file };
}

export interface Features {
  readonly ids: readonly string[];
  /** [n, D] row-major. */
  readonly data: Float32Array;
  readonly width: number;
  /** SHA-256 of the files. */
  readonly fingerprint: string;
}

const idList = z.array(z.union([z.string(), z.int()])).transform((ids) => ids.map(String));
const idsSchema = z.union([idList, z.looseObject({ files: idList }).transform(({ files }) => files)]);

/** @throws DataError naming the file and what is missing or does not fit */
export async function readFeatures({ file }: Pick<FeaturesRef, 'file'>): Promise<Features> {
  const bytes = await readFile(file);
  const read = file.endsWith('.npz') ? fromArchive(bytes, file) : await fromArray(bytes, file);
  const { array, ids } = read;
  const [n = 0, width = 0] = array.shape;
  if (array.shape.length !== 2 || n === 0 || width === 0)
    throw new DataError(`${file}: expected features [images, values], found [${array.shape.join(', ')}]`);
  if (ids.length !== n) throw new DataError(`${file}: ${n} rows of features have ${ids.length} ids; expected one each`);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw new DataError(`${file}: the id ${JSON.stringify(twice)} is there more than once`);
  const data = Float32Array.from(array.data);
  const odd = data.findIndex((value) => !Number.isFinite(value));
  if (odd >= 0)
    throw new DataError(`${file}: the features of ${ids[Math.floor(odd / width)]} hold ${data[odd]}; expected numbers`);
  return { ids, data, width, fingerprint: sha256(new TextEncoder().encode(`${sha256(bytes)}\n${ids.join('\n')}`)) };
}

interface ReadFeatures {
  readonly array: NdArray<TypedArray>;
  readonly ids: readonly string[];
}

function fromArchive(bytes: Uint8Array, file: string): ReadFeatures {
  const zip = readZip(bytes, file);
  const arrayOf = (names: readonly string[]): [Uint8Array, string] => {
    const found = names.find((name) => zip.entries.has(`${name}.npy`));
    if (found !== undefined) return [zip.read(`${found}.npy`), `${file}: ${found}`];
    const held = [...zip.entries.keys()].map((name) => name.replace(/\.npy$/, ''));
    throw new DataError(`${file}: holds no array ${names.join(' or ')}; it holds ${held.join(', ')}`);
  };
  return {
    array: decodeNpy(...arrayOf(['features', 'embeddings'])),
    ids: decodeNpyNames(...arrayOf(['ids', 'files', 'names'])),
  };
}

async function fromArray(bytes: Uint8Array, file: string): Promise<ReadFeatures> {
  const array = decodeNpy(bytes, file);
  const [json, text] = [file.replace(/\.npy$/, '.json'), file.replace(/\.npy$/, '.txt')];
  if (existsSync(json)) return { array, ids: parseConfig(idsSchema, await readJson(json), json) };
  if (!existsSync(text)) throw new DataError(`${file}: its ids are missing, one an image; expected ${json} or ${text}`);
  const lines = (await readFile(text, 'utf8')).split('\n').map((line) => line.trim());
  return { array, ids: lines.filter((line) => line !== '') };
}

/** Row of a file: the id that is the longest end of its path, with its ending or without. */
export function rowFinder({ ids }: Pick<Features, 'ids'>, source: string): (path: string) => number {
  const rows = new Map(ids.map((id, row) => [id.replaceAll('\\', '/').replace(/^\.?\//, ''), row]));
  return (path) => {
    const parts = path
      .replaceAll('\\', '/')
      .replace(/^.*\.zip#/i, '')
      .split('/');
    for (let from = 0; from < parts.length; from++) {
      const end = parts.slice(from).join('/');
      const row = rows.get(end) ?? rows.get(end.replace(/\.[^./]+$/, ''));
      if (row !== undefined) return row;
    }
    throw new DataError(`${source}: has no features of ${path}; ids are such as ${JSON.stringify(ids[0])}`);
  };
}

/**
 * @throws DataError naming the first file that has no row, or two files of other content that have the same: ids that do not tell
 * them apart
 */
export async function checkFeatures(
  ref: FeaturesRef,
  images: readonly { readonly path: string; readonly hash: string }[],
): Promise<void> {
  const { ids } = await readFeatures(ref);
  const rowOf = rowFinder({ ids }, ref.file);
  const taken = new Map<number, { readonly path: string; readonly hash: string }>();
  for (const image of images) {
    const row = rowOf(image.path);
    const other = taken.get(row);
    if (other !== undefined && other.hash !== image.hash)
      throw new DataError(
        `${ref.file}: ${JSON.stringify(ids[row])} stands for ${other.path} and for ${image.path}; ids must tell them apart`,
      );
    taken.set(row, image);
  }
}

export async function featuresEmbedder(ref: FeaturesRef): Promise<ImageEmbedder> {
  const { ids, data, width, fingerprint } = await readFeatures(ref);
  const rowOf = rowFinder({ ids }, ref.file);
  return {
    id: ref.id,
    method: 'features made elsewhere',
    fingerprint,
    embeddingSize: width,
    params: 0,
    source: ref.file,
    embedImages: () => Promise.reject(new ConfigError(`${ref.id}: knows images by their files only`)),
    embedFiles(paths) {
      const out = new Float32Array(paths.length * width);
      paths.forEach((path, i) => out.set(data.subarray(rowOf(path) * width, (rowOf(path) + 1) * width), i * width));
      return Promise.resolve(out);
    },
  };
}
