/**
 * Finds and reads results: `<dir>/results/<model>/<fingerprint>/<name>.json` with the predictions they name beside them. A file
 * that cannot be used is named in `warnings` and skipped; nothing read here is trusted.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { ConfigError, messageOf, predictionSchema, resultSchema, type Prediction, type Result } from '@unlabel/core';
import { readJson } from '@unlabel/formats';
import { z } from 'zod';

export interface CollectedResult {
  /** Where it was read. */
  readonly path: string;
  readonly result: Result;
  /** Sorted by fold and file; absent when they are missing or broken. */
  readonly predictions: readonly Prediction[] | undefined;
}

export interface Collection {
  /** In the order of their paths. */
  readonly results: readonly CollectedResult[];
  readonly warnings: readonly string[];
}

/** Folders searched below each directory, and bytes read from one file. */
const MAX_DEPTH = 6;
const MAX_RESULT_BYTES = 16 * 2 ** 20;
const MAX_PREDICTION_BYTES = 512 * 2 ** 20;
/** Never holds results, and can be large. */
const passedOver = new Set(['node_modules', 'embeddings', 'checkpoints', 'detections', '.git']);

/**
 * Reads every result below the directories.
 * @throws ConfigError when a directory does not exist or no result is found at all
 */
export async function collect(dirs: readonly string[]): Promise<Collection> {
  const warnings: string[] = [];
  const paths = new Set<string>();
  for (const dir of dirs) {
    const isDirectory = await stat(dir).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isDirectory) throw new ConfigError(`${dir}: expected a directory of results`);
    for (const path of await resultFiles(resolve(dir), 0, isInsideResults(resolve(dir)))) paths.add(path);
  }
  const read = await Promise.all([...paths].sort().map((path) => readResult(path, warnings)));
  const results = withoutRepeats(
    read.filter((value) => value !== undefined),
    warnings,
  );
  if (results.length === 0) {
    const skipped = warnings.length > 0 ? `; ${warnings.length} files could not be used:\n${warnings.join('\n')}` : '';
    throw new ConfigError(
      `${dirs.join(', ')}: no results. Expected results/<model>/<fingerprint>/*.json, as \`unlabel eval\` writes them${skipped}`,
    );
  }
  return { results, warnings: warnings.sort() };
}

const isInsideResults = (dir: string): boolean => dir.split(sep).includes('results');

async function resultFiles(dir: string, depth: number, isInside: boolean): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) {
      if (depth >= MAX_DEPTH || passedOver.has(entry.name) || entry.name.startsWith('.')) continue;
      found.push(...(await resultFiles(path, depth + 1, isInside || entry.name === 'results')));
    } else if (isInside && entry.isFile() && entry.name.endsWith('.json') && !entry.name.startsWith('.')) {
      found.push(path);
    }
  }
  return found;
}

async function readResult(path: string, warnings: string[]): Promise<CollectedResult | undefined> {
  let result: Result;
  try {
    const { size } = await stat(path);
    if (size > MAX_RESULT_BYTES) throw new Error(`${size} bytes; a result has at most ${MAX_RESULT_BYTES}`);
    const parsed = resultSchema.safeParse(await readJson(path));
    if (!parsed.success) throw new Error(`not a result:\n${z.prettifyError(parsed.error)}`);
    result = parsed.data;
    const primary = result.metrics[result.primary];
    if (!primary) throw new Error(`the primary metric ${JSON.stringify(result.primary)} is not among its metrics`);
    if (result.n < 0 || result.nFull < result.n)
      throw new Error(`${result.n} of ${result.nFull} test clips are scored`);
  } catch (error) {
    const message = messageOf(error);
    warnings.push(message.startsWith(path) ? message : `${path}: ${message}`);
    return undefined;
  }
  // imported: there are none; or what was found in each image, which is no list of scores
  if (result.predictions === '' || result.predictions.startsWith('detections/'))
    return { path, result, predictions: undefined };
  try {
    return { path, result, predictions: await readPredictions(path, result) };
  } catch (error) {
    warnings.push(`${path}: without its predictions there are no paired intervals (${messageOf(error)})`);
    return { path, result, predictions: undefined };
  }
}

async function readPredictions(path: string, result: Result): Promise<Prediction[]> {
  const file = resolve(dirname(path), result.predictions);
  if (relative(dirname(path), file).startsWith('..'))
    throw new Error(`${result.predictions} lies outside the result's folder`);
  const { size } = await stat(file);
  if (size > MAX_PREDICTION_BYTES)
    throw new Error(`${basename(file)} has ${size} bytes; at most ${MAX_PREDICTION_BYTES} are read`);
  const predictions: Prediction[] = [];
  for (const [i, line] of (await readFile(file, 'utf8')).split('\n').entries()) {
    if (line.trim() === '') continue;
    const parsed = predictionSchema.safeParse(JSON.parse(line));
    if (!parsed.success) throw new Error(`${basename(file)}, line ${i + 1}: ${z.prettifyError(parsed.error)}`);
    predictions.push(parsed.data);
  }
  const classes = predictions[0]?.scores.length ?? 0;
  const isEvents = predictions[0]?.events !== undefined;
  const odd = predictions.find(({ labels, scores, events }) =>
    isEvents
      ? events === undefined
      : scores.length !== classes || events !== undefined || labels.some((k) => k < 0 || k >= classes),
  );
  if ((classes === 0 && !isEvents) || odd)
    throw new Error(`${basename(file)}: ${odd ? `${odd.file} has other classes than the rest` : 'no clips'}`);
  if (predictions.length !== result.n)
    throw new Error(`${basename(file)}: ${predictions.length} clips; the result counts ${result.n}`);
  return predictions.sort((a, b) => a.fold - b.fold || (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
}

/** One result a model, task, protocol and seed: the later path stands, and a difference is reported. */
function withoutRepeats(results: readonly CollectedResult[], warnings: string[]): CollectedResult[] {
  const byKey = new Map<string, CollectedResult>();
  for (const collected of results) {
    const { model, task, protocol, seed } = collected.result;
    const key = JSON.stringify([model.id, model.fingerprint, task.id, task.revision, protocol.id, seed]);
    const held = byKey.get(key);
    if (held && held.result.partial === undefined && collected.result.partial !== undefined) continue; // the whole one stands
    if (
      held &&
      held.result.partial === undefined &&
      JSON.stringify(held.result.metrics) !== JSON.stringify(collected.result.metrics)
    ) {
      warnings.push(
        `${held.path}: set aside, ${collected.path} has another result of the same model, task, protocol and seed`,
      );
    }
    byKey.set(key, collected);
  }
  return [...byKey.values()];
}
