/** Reads `test.predicted-scores.json` of hear-eval-kit into results (hear.md §6.5). */
import { DataError, isPlainObject, type MetricValue, type Result } from '@unlabel/core';
import { publishedProtocol } from './published.ts';
import { splitDir } from './columns.ts';

/** The official tool writes bare NaN and Infinity, which are not JSON; numbers and strings are left as they are. */
export function parseTolerant(text: string): unknown {
  const quoted = text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (token) =>
    token.startsWith('"') ? token : JSON.stringify(token),
  );
  return JSON.parse(quoted) as unknown;
}

const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number'
    ? value
    : value === 'NaN' || value === 'Infinity' || value === '-Infinity'
      ? Number(value)
      : undefined;

export interface ImportOptions {
  /** Default: the folder above the task in `embedding_path`. */
  readonly model?: string | undefined;
  /** Task folder, `<name>-<version>-<mode>`; default: the last part of `embedding_path`. */
  readonly task?: string | undefined;
}

const errorRates = new Set(['segment_1s_er']);
const notMetrics = new Set(['test_loss', 'test_score']);

/**
 * One result a file. Scores passed through float32 on their way into the file are taken as they stand there.
 * @param name stands in front of error messages
 * @throws DataError when it is not such a file, or neither it nor the options name model and task
 */
export function importOfficialScores(text: string, name: string, { model, task }: ImportOptions = {}): Result {
  let file: unknown;
  try {
    file = parseTolerant(text);
  } catch (error) {
    throw new DataError(
      `${name}: is not JSON, also with NaN and Infinity allowed (${error instanceof Error ? error.message : 'unreadable'})`,
    );
  }
  if (!isPlainObject(file)) throw new DataError(`${name}: expected an object of splits, as hear-eval-kit writes it`);
  const splits = Object.entries(file).filter(
    (entry): entry is [string, Record<string, unknown>] => isPlainObject(entry[1]) && 'test_score' in entry[1],
  );
  if (splits.length === 0)
    throw new DataError(`${name}: no split has a test_score; expected hear-eval-kit’s test.predicted-scores.json`);
  const parts = typeof file['embedding_path'] === 'string' ? file['embedding_path'].split(/[\\/]/).filter(Boolean) : [];
  const dir = task ?? parts.at(-1);
  const modelId = model ?? parts.at(-2);
  if (dir === undefined || modelId === undefined) {
    throw new DataError(
      `${name}: its embedding_path does not say ${dir === undefined ? 'the task' : 'the model'}; give --task and --model`,
    );
  }
  const names = metricNames(splits[0]![1]);
  const [primary] = names;
  if (primary === undefined) throw new DataError(`${name}: no metric beside test_score`);
  const metrics = Object.fromEntries(
    names.map((metric): [string, MetricValue] => [
      metric,
      meanOf(
        metric,
        splits.map(([, fields]) => numberOf(fields[`test_${metric}`])),
      ),
    ]),
  );
  const { id, version } = splitDir(dir);
  return {
    schema: 1,
    model: {
      id: modelId,
      method: modelId,
      fingerprint: 'imported',
      params: 0,
      embeddingSize: 0,
      sampleRate: 0,
      source: 'imported: hear-eval-kit',
      sawUnlabelled: [],
    },
    task: { id, revision: `${version}@imported`, predictionType: 'multiclass' },
    protocol: { id: publishedProtocol, options: {} },
    seed: 0,
    metrics,
    primary,
    n: 0,
    nFull: 0,
    selection: splits.map(([split, fields]) => ({ split, ...fields, hparams: file['hparams'] ?? null })),
    time: { embedSeconds: 0, probeSeconds: minutesOf(splits) * 60 },
    environment: { engine: 'heareval' },
    predictions: '',
  };
}

/** Metrics in the order of the file, without the parts of event metrics (`…_precision`). */
function metricNames(fields: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(fields)
    .filter((key) => key.startsWith('test_') && !notMetrics.has(key))
    .map((key) => key.slice('test_'.length));
  return names.filter((name) => !names.some((other) => other !== name && name.startsWith(`${other}_`)));
}

function meanOf(metric: string, values: readonly (number | undefined)[]): MetricValue {
  const higherIsBetter = !errorRates.has(metric);
  const mean = values.reduce<number>((sum, value) => sum + (value ?? NaN), 0) / values.length;
  if (Number.isFinite(mean)) return { value: mean, low: null, high: null, higherIsBetter };
  return { value: null, low: null, high: null, higherIsBetter, note: `${metric} is ${mean} in the imported file` };
}

const minutesOf = (splits: readonly (readonly [string, Record<string, unknown>])[]): number =>
  splits.reduce((sum, [, fields]) => sum + (numberOf(fields['time_in_min']) || 0), 0);
