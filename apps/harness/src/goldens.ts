/** Runs every golden under a directory whose target exists, and compares. The layout is that of the fixtures in the packages. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  DataError,
  goldenAudio,
  goldenParameter,
  goldenTensor,
  messageOf,
  type GoldenFile,
  type GoldenTools,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { useEngine, type EngineInfo, type EngineOptions } from '@unlabel/engine';
import { parseSafetensors } from '@unlabel/formats';
import { compareOutputs, isRecord, type Comparison } from './golden-compare.ts';
import { collectTargets, pickTarget, type ExpectingTarget } from './golden-targets.ts';

export interface GoldenOptions extends EngineOptions {
  /** Names to run, `*` matching any characters. */
  readonly only?: string;
  /** Called as soon as a golden is done. */
  readonly onOutcome?: (outcome: GoldenOutcome) => void;
  /** Instead of the packages' own targets. */
  readonly targets?: ReadonlyMap<string, ExpectingTarget>;
}

export interface GoldenOutcome {
  readonly name: string;
  readonly path: string;
  readonly status: 'ok' | 'FAIL' | 'no target';
  /** The output nearest to or furthest beyond its bound. */
  readonly worst?: Comparison;
  /** Every output beyond its bound, and what was thrown. */
  readonly faults: readonly string[];
  readonly outputs: number;
  readonly seconds: number;
}

export interface GoldenReport {
  readonly engine: EngineInfo;
  readonly outcomes: readonly GoldenOutcome[];
}

/** @throws DataError when `dir` cannot be read. */
export async function runGoldens(dir: string, options: GoldenOptions = {}): Promise<GoldenReport> {
  const files = await findGoldens(dir);
  const wanted = options.only === undefined ? undefined : globToRegExp(options.only);
  const engine = await useEngine(options);
  const targets = options.targets ?? (await collectTargets());
  const outcomes: GoldenOutcome[] = [];
  for (const { path, golden, fault } of files) {
    if (wanted && !wanted.test(golden.name)) continue;
    const outcome = await runGolden(path, golden, pickTarget(targets, golden.name), fault);
    outcomes.push(outcome);
    options.onOutcome?.(outcome);
  }
  return { engine, outcomes };
}

/** Names of the goldens under a directory that no target computes. */
export async function goldensWithoutTarget(dir: string): Promise<string[]> {
  const [files, targets] = [await findGoldens(dir), await collectTargets()];
  return files.map(({ golden }) => golden.name).filter((name) => pickTarget(targets, name) === undefined);
}

interface Found {
  readonly path: string;
  readonly golden: GoldenFile;
  /** The json could not be read. */
  readonly fault?: string;
}

/** Every json under `dir` with a `name` and a `source`, in order of path. Other json files are not goldens. */
async function findGoldens(dir: string): Promise<Found[]> {
  let entries: string[];
  try {
    entries = await readdir(dir, { recursive: true });
  } catch (error) {
    throw new DataError(
      `${dir}: expected a directory of goldens (name.json beside name.safetensors): ${messageOf(error)}`,
    );
  }
  const found: Found[] = [];
  for (const entry of entries.filter((name) => name.endsWith('.json')).toSorted()) {
    const path = join(dir, entry);
    const text = await readFile(path, 'utf8');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      const hasTensors = existsSync(path.replace(/\.json$/, '.safetensors'));
      const golden = { name: entry.replace(/\.json$/, ''), seed: 0 };
      if (hasTensors) found.push({ path, golden, fault: `not json: ${messageOf(error)}` });
      continue;
    }
    if (!isRecord(value) || typeof value['name'] !== 'string' || typeof value['source'] !== 'string') continue;
    const seed = value['seed'] ?? value['SEED'];
    const isSeed = typeof seed === 'number' || typeof seed === 'string';
    found.push({ path, golden: { ...value, name: value['name'], seed: isSeed ? seed : 0 } });
  }
  return found;
}

async function runGolden(
  path: string,
  golden: GoldenFile,
  target: ExpectingTarget | undefined,
  fault: string | undefined,
): Promise<GoldenOutcome> {
  const base = { name: golden.name, path };
  if (fault !== undefined) return { ...base, status: 'FAIL', faults: [fault], outputs: 0, seconds: 0 };
  if (target === undefined) return { ...base, status: 'no target', faults: [], outputs: 0, seconds: 0 };
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  try {
    const stored = await readTensors(path);
    const found = await target.run(golden, toolsFor(golden, dirname(path), stored));
    const comparisons = compareOutputs(golden, found, stored, target.expected?.(golden));
    const failed = comparisons.filter(({ share }) => !(share <= 1));
    const faults = failed.map(describeComparison);
    if (comparisons.length === 0) faults.push('nothing was compared: the golden lists no output this target computes');
    const worst = comparisons.toSorted((a, b) => b.share - a.share)[0];
    return {
      ...base,
      status: faults.length === 0 ? 'ok' : 'FAIL',
      ...(worst && { worst }),
      faults,
      outputs: comparisons.length,
      seconds: seconds(),
    };
  } catch (error) {
    return { ...base, status: 'FAIL', faults: [messageOf(error)], outputs: 0, seconds: seconds() };
  }
}

async function readTensors(path: string): Promise<(name: string) => NdArray<TypedArray> | undefined> {
  const file = path.replace(/\.json$/, '.safetensors');
  if (!existsSync(file)) return () => undefined;
  const tensors = parseSafetensors(await readFile(file), file);
  const names = new Set(tensors.names);
  return (name) => (names.has(name) ? tensors.read(name) : undefined);
}

/** What targets draw on: the hash rule with this golden's seed, and its stored tensors. */
export function toolsFor(golden: GoldenFile, dir: string, stored: GoldenTools['stored']): GoldenTools {
  const seed = Number(golden.seed) || 0;
  const firstNames = tiedParameters(golden);
  return {
    dir,
    tensor: (key, shape, scale) => goldenTensor(key, seed, shape, scale),
    audio: (name, samples, sampleRate, row) => goldenAudio(name, seed, samples, sampleRate, row),
    parameter: (key, shape) => goldenParameter(firstNames.get(key) ?? key, seed, shape),
    stored,
  };
}

/** Later names of one storage → the first one, whose key gives the values: `[key, shape, firstKey]` in `params…`. */
function tiedParameters(golden: GoldenFile): ReadonlyMap<string, string> {
  const first = new Map<string, string>();
  for (const [field, list] of Object.entries(golden)) {
    if (!(field === 'params' || field.startsWith('params_')) || !Array.isArray(list)) continue;
    for (const entry of list as unknown[]) {
      if (Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[2] === 'string')
        first.set(entry[0], entry[2]);
    }
  }
  return first;
}

function describeComparison({ output, error, share, note }: Comparison): string {
  if (Number.isNaN(error) || !Number.isFinite(share)) return `${output}: ${note ?? `error ${error}, expected exactly`}`;
  return `${output}: error ${error.toExponential(2)}, ${share.toPrecision(3)} × the bound${note ? ` (${note})` : ''}`;
}

/** One line: `ok         fe-mel  worst error 3.1e-7 (0.002 of the bound, byola_log), 23 outputs, 0.1 s`. */
export function describeOutcome({ name, status, worst, faults, outputs, seconds }: GoldenOutcome): string {
  const head = `${status.padEnd(9)}  ${name}`;
  if (status === 'no target') return head;
  if (worst === undefined || !Number.isFinite(worst.share)) return `${head}  worst error: ${faults[0] ?? 'none'}`;
  const share = `${worst.share.toPrecision(2)} of the bound, ${worst.output}`;
  return `${head}  worst error ${worst.error.toExponential(1)} (${share}), ${outputs} outputs, ${seconds.toFixed(1)} s`;
}

function globToRegExp(glob: string): RegExp {
  return new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
}
