/** The process behind a pool slot: embeds shards and runs probes. Starts its engine only when a network needs it. */
import { messageOf, type Embedder, type ImageEmbedder } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { isNetwork, openImageModel, openModel, type ModelRef } from '../models/resolve.ts';
import { runFewShotJob, type FewShotJob } from '../few-shot/few-shot-job.ts';
import { runDetectJob, type DetectJob } from './detect-job.ts';
import { embedImageShard, type EmbedImagesJob } from './embed-images.ts';
import { embedShard, type EmbedJob } from './embed-job.ts';
import { measureImageSpeed, measureSpeed, type ModelSpeed } from './measure.ts';
import { runPredictJob, type PredictJob } from '../predict/predict-job.ts';
import { runProbeJob, type ProbeJob, type ProbeSummary } from './probe-job.ts';

/** How fast a model is on this machine, for `--dry-run`. */
export interface SpeedJob {
  readonly kind: 'speed';
  readonly model: ModelRef;
  readonly memory: number;
  readonly modality: 'audio' | 'image';
  /** Of the longest clip. */
  readonly longestSeconds: number;
}

export type Job = EmbedJob | EmbedImagesJob | ProbeJob | DetectJob | PredictJob | SpeedJob | FewShotJob;
export type JobResult<J extends Job> = J extends ProbeJob
  ? ProbeSummary
  : J extends SpeedJob
    ? ModelSpeed
    : { readonly seconds: number };
export type WorkerReply =
  | { readonly result: unknown }
  | { readonly error: string; readonly kind: string }
  /** Clips embedded since the last, or what a probe is doing. */
  | { readonly progress: number | string };

const engineOptions = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
interface Opened<E extends Embedder | ImageEmbedder> {
  readonly key: string;
  readonly embedder: E;
  readonly environment: Record<string, unknown>;
}
let open: Opened<Embedder | ImageEmbedder> | undefined;

async function opened<E extends Embedder | ImageEmbedder>(
  ref: ModelRef,
  memory: number,
  load: (ref: ModelRef) => Promise<E>,
): Promise<Opened<E>> {
  const key = JSON.stringify([ref, load.name]);
  if (open?.key !== key) {
    open?.embedder.dispose?.();
    open = undefined;
    let environment: Record<string, unknown> = { engine: 'none', node: process.version };
    if (isNetwork(ref)) {
      const { useEngine } = await import('@unlabel/engine');
      environment = { ...(await useEngine(engineOptions)) };
    }
    open = { key, embedder: await load(ref), environment };
  }
  open.embedder.setMemory?.(memory);
  return open as Opened<E>; // by its key
}

async function run(job: Job): Promise<unknown> {
  const report = (progress: number | string): boolean => process.send!({ progress } satisfies WorkerReply);
  if (job.kind === 'probe') return runProbeJob(job, engineOptions, report);
  if (job.kind === 'detect') return runDetectJob(job, engineOptions, report);
  if (job.kind === 'predict') return runPredictJob(job, engineOptions, report);
  if (job.kind === 'few-shot') return runFewShotJob(job, report);
  if (job.kind === 'embed-images') {
    const { embedder, environment } = await opened(job.model, job.memory, openImageModel);
    return embedImageShard(job, embedder, environment, report);
  }
  if (job.kind === 'speed' && job.modality === 'image')
    return measureImageSpeed((await opened(job.model, job.memory, openImageModel)).embedder);
  const { embedder, environment } = await opened(job.model, job.memory, openModel);
  return job.kind === 'speed'
    ? measureSpeed(embedder, job.longestSeconds)
    : embedShard(job, embedder, environment, report);
}

process.on('message', (job: Job) => {
  run(job).then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: messageOf(error), kind: error instanceof Error ? error.name : 'Error' }),
  );
});
process.on('disconnect', () => process.exit(0)); // the parent is gone, by whatever cause
process.on('SIGINT', () => {}); // the parent decides
