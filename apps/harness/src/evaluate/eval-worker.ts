/** The process behind a pool slot: embeds shards and runs probes. Starts its engine only when a network needs it. */
import { messageOf, type Embedder } from '@unlabel/core';
import type { EngineOptions } from '@unlabel/engine';
import { loadAudio } from '@unlabel/audio';
import { openModel, type ModelRef } from '../models/resolve.ts';
import { runProbeJob, type ProbeJob, type ProbeSummary } from './probe-job.ts';
import { writeShard, type ClipRef } from './store.ts';

export interface EmbedJob {
  readonly kind: 'embed';
  readonly model: ModelRef;
  readonly store: string;
  readonly shard: { readonly name: string; readonly clips: readonly ClipRef[] };
}

export type Job = EmbedJob | ProbeJob;
export type JobResult<J extends Job> = J extends ProbeJob ? ProbeSummary : { readonly seconds: number };
export type WorkerReply = { readonly result: unknown } | { readonly error: string; readonly kind: string };

/** Audio held at once, in samples (20 MB): how clips are grouped depends on the shard alone, so a resumed run repeats it. */
const samplesAtOnce = 5e6;

const engineOptions = JSON.parse(process.argv[2] ?? '{}') as EngineOptions;
let open: { key: string; embedder: Embedder; environment: Record<string, unknown> } | undefined;

async function embedderOf(ref: ModelRef): Promise<NonNullable<typeof open>> {
  const key = JSON.stringify(ref);
  if (open?.key === key) return open;
  open?.embedder.dispose?.();
  open = undefined;
  let environment: Record<string, unknown> = { engine: 'none', node: process.version };
  if (ref.kind !== 'baseline') {
    const { useEngine } = await import('@unlabel/engine');
    environment = { ...(await useEngine(engineOptions)) };
  }
  open = { key, embedder: await openModel(ref), environment };
  return open;
}

async function embed({ model, store, shard }: EmbedJob): Promise<{ seconds: number }> {
  const { embedder, environment } = await embedderOf(model);
  const start = performance.now();
  const values = new Float32Array(shard.clips.length * embedder.sceneEmbeddingSize);
  let waiting: Float32Array[] = [];
  let done = 0;
  const flush = async (): Promise<void> => {
    values.set(await embedder.embedScenes(waiting), done * embedder.sceneEmbeddingSize);
    done += waiting.length;
    waiting = [];
  };
  for (const { path } of shard.clips) {
    const { audio } = await loadAudio(path, { sampleRate: embedder.sampleRate });
    const held = waiting.reduce((sum, clip) => sum + clip.length, 0);
    if (waiting.length > 0 && held + audio.length > samplesAtOnce) await flush();
    waiting.push(audio);
  }
  await flush();
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const clip = shard.clips[Math.floor(bad / embedder.sceneEmbeddingSize)]!;
    throw new RangeError(
      `${embedder.id}: the embedding of ${clip.path} is not finite. The model or its normalization is broken.`,
    );
  }
  const seconds = (performance.now() - start) / 1000;
  await writeShard(store, shard, values, { seconds, environment });
  return { seconds };
}

process.on('message', (job: Job) => {
  const work: Promise<unknown> = job.kind === 'embed' ? embed(job) : runProbeJob(job);
  work.then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: messageOf(error), kind: error instanceof Error ? error.name : 'Error' }),
  );
});
process.on('disconnect', () => process.exit(0)); // the parent is gone, by whatever cause
process.on('SIGINT', () => {}); // the parent decides
