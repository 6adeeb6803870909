/** One model on one task: read its embeddings, run the protocol, write the result and the test predictions. */
import { basename } from 'node:path';
import type { Prediction, Result } from '@unlabel/core';
import { writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { runProbe, type ProbeSplit } from '@unlabel/probes';
import { foldsOf, openTask } from '@unlabel/tasks';
import type { ModelDescription } from '../models/describe.ts';
import { version } from '../version.ts';
import { readShards, type LoadedEmbeddings, type Shard } from './store.ts';

export interface ProbeJob {
  readonly kind: 'probe';
  readonly taskDir: string;
  readonly model: ModelDescription;
  readonly store: string;
  /** Empty for a model without embeddings. */
  readonly shards: readonly Shard[];
  /** `split/file` → clip hash. */
  readonly clips: readonly (readonly [key: string, hash: string])[];
  readonly protocol: string;
  readonly seed: number;
  /** Result file to write. */
  readonly file: string;
}

export interface ProbeSummary {
  readonly seconds: number;
}

export async function runProbeJob(job: ProbeJob): Promise<ProbeSummary> {
  const { model, file, seed } = job;
  const task = await openTask(job.taskDir);
  const embeddings = job.shards.length > 0 ? await readShards(job.store, job.shards) : undefined;
  const hashes = new Map(job.clips);
  const splits = new Map<string, ProbeSplit>();
  for (const [split, clips] of task.splits) {
    const held =
      embeddings &&
      rowsOf(
        embeddings,
        clips.map((clip) => hashes.get(`${split}/${clip.file}`) ?? ''),
      );
    splits.set(split, {
      files: clips.map((clip) => clip.file),
      labels: clips.map((clip) => clip.labels),
      ...(held && { embeddings: { data: held, width: embeddings.width } }),
    });
  }
  const result = runProbe({
    protocol: embeddings ? job.protocol : 'chance/v1',
    task: task.id,
    splits,
    folds: foldsOf(task),
    vocabulary: task.vocabulary,
    predictionType: task.metadata.prediction_type,
    metrics: task.metadata.evaluation,
    seed,
    now: () => performance.now(),
  });
  const predictions = file.replace(/\.json$/, '.predictions.jsonl');
  await writeFileAtomic(predictions, result.predictions.map(line).join(''));
  await writeJsonAtomic(file, {
    schema: 1,
    model: {
      id: model.id,
      method: model.method,
      fingerprint: model.fingerprint,
      params: model.params,
      embeddingSize: embeddings?.width ?? 0,
      sampleRate: model.sampleRate,
      source: model.source,
      sawUnlabelled: [...model.sawUnlabelled],
    },
    task: { id: task.id, revision: task.revision, predictionType: task.metadata.prediction_type },
    protocol: { id: job.protocol, options: result.options },
    seed,
    metrics: result.metrics,
    primary: result.primary,
    n: result.n,
    nFull: result.n,
    selection: [...result.selection],
    time: { embedSeconds: round(embeddings?.seconds ?? 0), probeSeconds: round(result.seconds) },
    environment: { ...(embeddings?.environment ?? { engine: 'none', node: process.version }), harness: version },
    predictions: basename(predictions),
  } satisfies Result);
  return { seconds: result.seconds };
}

const line = (prediction: Prediction): string => `${JSON.stringify(prediction)}\n`;
const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function rowsOf(embeddings: LoadedEmbeddings, hashes: readonly string[]): Float32Array {
  const data = new Float32Array(hashes.length * embeddings.width);
  hashes.forEach((hash, i) => data.set(embeddings.row(hash), i * embeddings.width));
  return data;
}
