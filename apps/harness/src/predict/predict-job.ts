/** HEAR's predictor on one directory of embeddings, in a worker: a share of the training, or the result. */
import { basename, join } from 'node:path';
import type { Result } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { sha256, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import { protocols, runProbe, warmProbe, type ProbeRun, type Share } from '@unlabel/probes';
import { foldsOf } from '@unlabel/tasks';
import { fileJournal } from '../evaluate/journal.ts';
import { version } from '../version.ts';
import { readEmbeddingDir } from './embedding-dir.ts';
import { officialScores } from './official.ts';

export interface PredictJob {
  readonly kind: 'predict';
  readonly dir: string;
  readonly protocol: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** What made the embeddings, for the board. */
  readonly model: string;
  /** Result file to write. */
  readonly file: string;
  /** Train this share only, into the journal. */
  readonly share?: Share | undefined;
}

export async function runPredictJob(
  job: PredictJob,
  engine: EngineOptions,
  onProgress: (text: string) => void,
): Promise<{ readonly seconds: number }> {
  const { dir, protocol, options, seed, file } = job;
  const { task, embedded } = await readEmbeddingDir(dir);
  const { metadata } = task;
  let probe: Record<string, unknown> = { engine: 'none' };
  if (protocols[protocol]?.needsEngine) {
    const { useEngine } = await import('@unlabel/engine');
    probe = { ...(await useEngine(engine)) };
  }
  const data = [...embedded].map(([split, { embeddings }]) => {
    const values = embeddings!.data;
    return `${split} ${sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))}`;
  });
  const fingerprint = sha256(data.join('\n'));
  const journal = fileJournal(file, { protocol, options, seed, task: task.revision, fingerprint, version });
  const folds = foldsOf(task);
  const run: ProbeRun = {
    protocol,
    options,
    task: task.id,
    splits: embedded,
    folds,
    vocabulary: task.vocabulary,
    predictionType: metadata.prediction_type,
    metrics: metadata.evaluation,
    seed,
    evaluationParams: metadata['evaluation_params'],
    useScoring: metadata['use_scoring_for_early_stopping'] !== false,
    isInOfficialOrder: true, // the embedding stage left them so
    journal,
    onProgress,
    now: () => performance.now(),
  };
  if (job.share) {
    await warmProbe(run, job.share);
    return { seconds: 0 };
  }
  const result = await runProbe(run);
  const predictions = file.replace(/\.json$/, '.predictions.jsonl');
  await writeFileAtomic(predictions, result.predictions.map((line) => `${JSON.stringify(line)}\n`).join(''));
  if (result.selection[0]?.['hparams'] !== undefined) {
    const official = officialScores(result, { folds, embeddingPath: join(job.model, basename(dir)) });
    await writeJsonAtomic(file.replace(/\.json$/, '.test.predicted-scores.json'), official);
  }
  const width = [...embedded.values()][0]?.embeddings?.width ?? 0;
  await writeJsonAtomic(file, {
    schema: 1,
    model: {
      id: job.model,
      method: job.model,
      fingerprint,
      params: 0,
      embeddingSize: width,
      sampleRate: 0,
      source: 'embeddings made elsewhere',
      sawUnlabelled: [],
    },
    task: {
      id: task.id,
      revision: task.revision,
      predictionType: metadata.prediction_type,
      embeddingType: metadata.embedding_type,
    },
    protocol: { id: protocol, options: result.options },
    seed,
    metrics: result.metrics,
    primary: result.primary,
    n: result.n,
    nFull: result.n,
    selection: [...result.selection],
    time: { embedSeconds: 0, probeSeconds: Math.round(result.seconds * 1000) / 1000 },
    environment: { node: process.version, harness: version, probe },
    predictions: basename(predictions),
  } satisfies Result);
  await journal.clear();
  return { seconds: result.seconds };
}
