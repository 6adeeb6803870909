/** One model on one task: read its embeddings once, run every wanted number of shots and classifier, write each result. */
import { dirname, join } from 'node:path';
import { DataError } from '@unlabel/core';
import { encodeNpy, writeFileAtomic, writeJsonAtomic } from '@unlabel/formats';
import {
  createFewShotRunner,
  drawEpisodes,
  episodesHash,
  fewShotClassifiers,
  meanOf,
  summarizeEpisodes,
  type Episodes,
  type WindowedClips,
} from '@unlabel/probes';
import { createReader, readIndex, type StoredClip } from '../evaluate/store.ts';
import type { ModelDescription } from '../models/describe.ts';
import { version } from '../version.ts';
import { correctFile, type FewShotResult, type RunKey } from './result.ts';

/** One result to make. */
export interface FewShotRun {
  readonly key: RunKey;
  readonly file: string;
  /** Names of the tested classes, and the hashes of their clips. */
  readonly classes: readonly (readonly [name: string, hashes: readonly string[]])[];
  /** Classes left out for having too few clips. */
  readonly left: readonly string[];
}

export interface FewShotJob {
  readonly kind: 'few-shot';
  readonly model: ModelDescription;
  readonly store: string;
  readonly shards: readonly string[];
  /** Clips of the base classes: their mean is `cl2n`'s; none: the mean of the tested classes. */
  readonly base: readonly (readonly [name: string, hashes: readonly string[]])[];
  readonly runs: readonly FewShotRun[];
}

/** @throws DataError naming the shard that is damaged or the clip that is missing */
export async function runFewShotJob(
  job: FewShotJob,
  report: (done: number) => void = () => {},
): Promise<{ seconds: number }> {
  const started = performance.now();
  const index = await readIndex(
    job.store,
    job.shards.map((name) => ({ name })),
  );
  const reader = createReader(index);
  const read = async (hashes: readonly string[]): Promise<WindowedClips> => {
    const clips = hashes.map((hash): StoredClip => {
      const clip = index.clips.get(hash);
      if (clip) return clip;
      throw new DataError(`${job.store}: no embedding of clip ${hash.slice(0, 12)}…; the clip changed. Run again.`);
    });
    const offsets = new Int32Array(clips.length + 1);
    clips.forEach(({ rows }, c) => (offsets[c + 1] = offsets[c]! + rows));
    const data = new Float32Array(offsets.at(-1)! * index.width);
    for (const [c, clip] of clips.entries())
      await reader.read(clip, data.subarray(offsets[c]! * index.width, offsets[c + 1]! * index.width));
    return { embeddings: { data, width: index.width }, offsets };
  };
  try {
    const baseHashes = job.base.flatMap(([, hashes]) => hashes);
    const baseMean = baseHashes.length > 0 ? meanOf((await read(baseHashes)).embeddings) : undefined;
    // runs with the same classes share one runner and its products
    const groups = new Map<string, FewShotRun[]>();
    for (const run of job.runs) groups.set(run.key.classes, [...(groups.get(run.key.classes) ?? []), run]);
    for (const runs of groups.values()) {
      const { classes } = runs[0]!;
      const clips = await read(classes.flatMap(([, hashes]) => hashes));
      const runner = createFewShotRunner(clips, baseMean ? { baseMean } : {});
      const drawn = new Map<string, { episodes: Episodes; hash: string }>();
      for (const run of runs) {
        const { ways, shots, queries, episodes: count, seed, classifier: id } = run.key;
        const name = `${ways}/${shots}/${queries}`;
        let held = drawn.get(name);
        if (!held) {
          const episodes = drawEpisodes(numbered(classes.map(([, hashes]) => hashes.length)), {
            ways,
            shots,
            queries,
            episodes: count,
            seed,
            key: run.key.classes,
          });
          drawn.set(name, (held = { episodes, hash: episodesHash(episodes) }));
        }
        const from = performance.now();
        const { correct } = runner.run(fewShotClassifiers[id]!, held.episodes, { seed });
        const seconds = (performance.now() - from) / 1000;
        await write(job, run, { correct, episodes: held.episodes, hash: held.hash, seconds, index });
        report(1);
      }
    }
  } finally {
    await reader.close();
  }
  return { seconds: (performance.now() - started) / 1000 };
}

/** Clips by number, class after class, from the number of each. */
export function numbered(sizes: readonly number[]): number[][] {
  let next = 0;
  return sizes.map((size) => Array.from({ length: size }, () => next++));
}

interface Outcome {
  readonly correct: Uint16Array;
  readonly episodes: Episodes;
  readonly hash: string;
  readonly seconds: number;
  readonly index: Awaited<ReturnType<typeof readIndex>>;
}

async function write(job: FewShotJob, { key, file, classes, left }: FewShotRun, outcome: Outcome): Promise<void> {
  const { correct, episodes, hash, seconds, index } = outcome;
  const counts = encodeNpy({ data: Int32Array.from(correct), shape: [correct.length] });
  await writeFileAtomic(join(dirname(file), correctFile(file)), counts);
  const { id, method, params, source, sawUnlabelled } = job.model;
  await writeJsonAtomic(file, {
    schema: 1,
    key,
    model: { id, method, params, embeddingSize: index.width, source, sawUnlabelled: [...sawUnlabelled] },
    classes: {
      test: classes.map(([name, hashes]) => [name, hashes.length]),
      base: job.base.map(([name]) => name),
      left: [...left],
    },
    episodesHash: hash,
    accuracy: summarizeEpisodes(correct, episodes),
    seconds: { embed: round(index.seconds), run: round(seconds) },
    environment: { ...index.environment, harness: version, node: process.version },
    correct: correctFile(file),
  } satisfies FewShotResult);
}

const round = (seconds: number): number => Math.round(seconds * 1000) / 1000;
