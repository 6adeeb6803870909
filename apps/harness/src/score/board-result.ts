/** Scores of detections made elsewhere as a result file, so that they stand on a board. */
import { join } from 'node:path';
import { ConfigError, type MetricValue, type Result } from '@unlabel/core';
import { writeJsonAtomic } from '@unlabel/formats';
import { version } from '../version.ts';

export interface BoardOptions {
  /** Folder that gets `results/`; nothing is written without it. */
  readonly out?: string | undefined;
  /** Name of the model on the board. */
  readonly model?: string | undefined;
}

export interface ScoredDetections {
  /** File or folder that was scored. */
  readonly detections: string;
  /** Hash of what was scored. */
  readonly fingerprint: string;
  readonly task: { readonly id: string; readonly revision: string };
  /** `coco-bbox/v1`. */
  readonly protocol: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** The first is the primary; null where it is not defined. */
  readonly scores: readonly (readonly [name: string, value: number | null])[];
  readonly images: number;
}

/** @returns the line that says where it is; undefined when none was asked for */
export async function writeBoardResult(
  { out, model }: BoardOptions,
  scored: ScoredDetections,
): Promise<string | undefined> {
  if (out === undefined && model === undefined) return undefined;
  if (out === undefined || model === undefined || !/^[\w.@=+-]+$/.test(model))
    throw new ConfigError(
      `--out and --model go together: a folder, and a name of letters, digits, . _ - for the board; found ${out ?? 'no --out'}, ${model ?? 'no --model'}`,
    );
  const { task, protocol, scores, images, fingerprint } = scored;
  const metrics = Object.fromEntries(scores.map(([name, value]): [string, MetricValue] => [name, valueOf(value)]));
  const result: Result = {
    schema: 1,
    model: {
      id: model,
      method: 'detections made elsewhere',
      fingerprint,
      params: 0,
      embeddingSize: 0,
      sampleRate: 0,
      source: scored.detections,
      sawUnlabelled: [],
    },
    task: { ...task, predictionType: 'multilabel', modality: 'image' },
    protocol: { id: protocol, options: { ...scored.options } },
    seed: 0,
    metrics,
    primary: scores[0]![0],
    n: images,
    nFull: images,
    selection: [],
    time: { embedSeconds: 0, probeSeconds: 0 },
    environment: { engine: 'none', node: process.version, harness: version },
    predictions: '', // they are the file that was scored
  };
  const name = `${task.id}.${protocol.replaceAll('/', '-')}.json`;
  const path = join(out, 'results', model, fingerprint.slice(0, 16), name);
  await writeJsonAtomic(path, result);
  return `result in ${path}; compare: npx unlabel leaderboard build ${out} -o ${out}/board`;
}

const valueOf = (value: number | null): MetricValue => ({
  value,
  low: null,
  high: null,
  higherIsBetter: true,
  ...(value === null && { note: 'no object of this kind' }),
});
