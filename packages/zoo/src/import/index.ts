/**
 * Imports the authors' checkpoints: finds the upstream by the names in the file, takes the kept network out of what surrounds it
 * (optimisers, heads, the other of two networks), brings names to ours, and checks that every tensor is there in its shape.
 */
import { CheckpointError, ConfigError, unknownName, type NdArray } from '@unlabel/core';
import { keyMaps } from '../maps/index.ts';
import { isBeside, type KeyMap, type Shapes } from '../maps/key-map.ts';
import { openContainer, type Container, type ForeignTensor } from './container.ts';
import { foldWeightNorm, oldWeightNorm } from './weight-norm.ts';

export { openContainer, type Container, type ForeignTensor } from './container.ts';

export interface ImportOptions {
  /** Id of a key map; default: found by the names. */
  readonly upstream?: string | undefined;
  /** Which network of the file: `teacher`, `student`, `query`, `key`; default the map's first. */
  readonly select?: string | undefined;
  /** False: unknown, missing and misshapen tensors are reported instead of refused. Default true. */
  readonly strict?: boolean | undefined;
}

export interface ImportReport {
  /** Tensors of the file that are not part of the network, and why. */
  readonly skipped: readonly { readonly key: string; readonly why: string }[];
  /** Only with `strict: false`. */
  readonly faults: readonly string[];
}

export interface Imported {
  readonly map: KeyMap;
  /** Of the family. */
  readonly config: Readonly<Record<string, unknown>>;
  /** By our names, in the order of the network. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; read(): Promise<NdArray> }>;
  readonly report: ImportReport;
  close(): Promise<void>;
}

/** @throws CheckpointError listing every unknown, missing and misshapen tensor; ConfigError for an unknown upstream or part */
export async function importCheckpoint(path: string, options: ImportOptions = {}): Promise<Imported> {
  return importContainer(path, await openContainer(path), options);
}

/** The same for a file that is open already; it is closed on failure. */
export async function importContainer(
  path: string,
  container: Container,
  options: ImportOptions = {},
): Promise<Imported> {
  try {
    const { map, part } = chooseMap(path, container.tensors, options);
    const taken = takeNetwork(map, part, container.tensors);
    const shapes: Shapes = new Map([...taken.network].map(([name, { shape }]) => [name, shape]));
    const config = map.configOf(shapes, container.root);
    const expected = map.expected(config, shapes);
    const faults = [...compare(expected, shapes), ...taken.unknown];
    const isStrict = options.strict ?? true;
    if (isStrict && faults.length > 0) {
      throw new CheckpointError(
        `${path}: ${faults.length} tensors are not as ${map.title} has them; with --strict=false they are left out:\n  ${faults.join('\n  ')}`,
        { faults },
      );
    }
    await checkTied(path, taken.tied);
    const usable = [...expected].filter(([name, shape]) => shapes.get(name)?.join() === shape.join());
    return {
      map,
      config,
      tensors: new Map(usable.map(([name]) => [name, taken.network.get(name)!])),
      report: { skipped: taken.skipped, faults },
      close: () => container.close(),
    };
  } catch (error) {
    await container.close();
    throw error;
  }
}

interface Part {
  readonly name: string;
  readonly prefix: string;
}

function chooseMap(
  path: string,
  tensors: ReadonlyMap<string, ForeignTensor>,
  { upstream, select }: ImportOptions,
): { map: KeyMap; part: Part } {
  const wanted = upstream === undefined ? keyMaps : keyMaps.filter(({ id }) => id === upstream);
  if (wanted.length === 0)
    throw new ConfigError(
      unknownName(
        'upstream',
        upstream!,
        keyMaps.map(({ id }) => id),
      ),
    );
  const names = [...foldWeightNorm(tensors).keys()];
  for (const map of wanted) {
    const parts = Object.entries(map.parts);
    const offered = select === undefined ? parts.slice(0, 1) : parts.filter(([name]) => name === select);
    for (const [name, prefixes] of offered) {
      const prefix = prefixes.find((one) => hasSignature(map, names, one));
      if (prefix !== undefined) return { map, part: { name, prefix } };
    }
  }
  if (tensors.size === 0) throw new CheckpointError(`${path}: holds no tensor`);
  const shown = [...tensors].slice(0, 5).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  const what =
    upstream === undefined
      ? `its names are of no upstream that is known (${keyMaps.map(({ id }) => id).join(', ')})`
      : `its names are not those of ${upstream}${select === undefined ? '' : `, part ${select}`}; parts are ${Object.keys(wanted[0]!.parts).join(', ')}`;
  throw new CheckpointError(`${path}: ${what}. It holds ${tensors.size} tensors: ${shown.join(', ')} …`);
}

function hasSignature(map: KeyMap, names: readonly string[], prefix: string): boolean {
  const inside = names.filter((name) => name.startsWith(prefix)).map((name) => renamed(map, name.slice(prefix.length)));
  return inside.length > 0 && map.signature.every((pattern) => inside.some((name) => pattern.test(name)));
}

const renamed = (map: KeyMap, name: string): string =>
  (map.renames ?? []).reduce((text, [pattern, to]) => text.replace(pattern, to), name);

/** Counters of batch norms say how often they were trained; nothing computes with them. */
const counter = /(^|\.)num_batches_tracked$/;

interface Taken {
  readonly network: ReadonlyMap<string, ForeignTensor>;
  readonly skipped: { key: string; why: string }[];
  /** Faults: tensors outside of the network that nobody has accounted for. */
  readonly unknown: readonly string[];
  /** Tensors that are said to be another's again, and that other. */
  readonly tied: readonly (readonly [string, ForeignTensor, ForeignTensor])[];
}

function takeNetwork(map: KeyMap, { name, prefix }: Part, all: ReadonlyMap<string, ForeignTensor>): Taken {
  const skipped: Taken['skipped'] = [];
  const unknown: string[] = [];
  const inside = new Map<string, ForeignTensor>();
  for (const [key, tensor] of all) {
    if (key.startsWith(prefix)) inside.set(key.slice(prefix.length), tensor);
    else if (!isBeside(map, key)) unknown.push(`${key}: is unknown beside the network, [${tensor.shape.join(', ')}]`);
    else skipped.push({ key, why: `beside the ${name === 'network' ? 'network' : `${name} network`}` });
  }
  const network = new Map<string, ForeignTensor>();
  const tied: [string, ForeignTensor, ForeignTensor][] = [];
  for (const [key, tensor] of map.keepsWeightNorm ? oldWeightNorm(inside) : foldWeightNorm(inside)) {
    const ours = renamed(map, key);
    const why = counter.test(ours)
      ? 'counter of a batch norm'
      : map.leftOut?.find(([pattern]) => pattern.test(ours))?.[1];
    if (why === undefined) network.set(ours, tensor);
    else {
      skipped.push({ key: `${prefix}${key}`, why });
      const first = inside.get(key.replace(/\.layers\.\d+\./, '.layers.0.'));
      if (why.endsWith(' again') && first) tied.push([key, tensor, first]);
    }
  }
  return { network, skipped, unknown, tied };
}

function compare(expected: Shapes, found: Shapes): string[] {
  const show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  const faults: string[] = [];
  for (const [name, shape] of expected) {
    const held = found.get(name);
    if (!held) faults.push(`${name}: is missing, expected ${show(shape)}`);
    else if (held.join() !== shape.join()) faults.push(`${name}: is ${show(held)}, expected ${show(shape)}`);
  }
  for (const [name, shape] of found) if (!expected.has(name)) faults.push(`${name}: is unknown, ${show(shape)}`);
  return faults;
}

/** @throws CheckpointError when what should be one tensor under several names has several values */
async function checkTied(path: string, tied: Taken['tied']): Promise<void> {
  for (const [key, tensor, first] of tied) {
    const [a, b] = [(await tensor.read()).data, (await first.read()).data];
    if (a.length !== b.length || a.some((value, i) => value !== b[i]))
      throw new CheckpointError(`${path}: ${key} should be the tensor of layer 0 again, and has other values`);
  }
}
