/** A task's splits as probes take them, read from the embedding store. */
import { DataError, type Task } from '@unlabel/core';
import { sha256 } from '@unlabel/formats';
import type { FrameIndex, ProbeSplit } from '@unlabel/probes';
import { createReader, readIndex, type StoredClip, type StoreIndex } from './store.ts';

/** The part of a task that is evaluated, and where its embeddings are; plain data for a worker. */
export interface EmbeddedTask {
  readonly store: string;
  /** Names of the shards that hold the clips; empty for a model without embeddings. */
  readonly shards: readonly string[];
  /** Hashes of the evaluated clips of each split, in the order of its label file: its first clips, or all. */
  readonly splits: readonly (readonly [split: string, hashes: readonly string[]])[];
}

export interface ReadSplits {
  readonly splits: ReadonlyMap<string, ProbeSplit>;
  /** D; 0 without embeddings. */
  readonly width: number;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly environment: Readonly<Record<string, unknown>>;
  /** SHA-256 over the splits' clips, and over their embeddings. */
  readonly hashes: { readonly data?: string; readonly embeddings?: string };
}

/**
 * Reads every split's embeddings into one array each; of event tasks with the rows' files and times.
 * @throws DataError naming the shard that is damaged
 */
export async function readSplits(task: Task, { store, shards, splits: wanted }: EmbeddedTask): Promise<ReadSplits> {
  const splits = new Map<string, ProbeSplit>();
  if (shards.length === 0) {
    for (const [split, hashes] of wanted) splits.set(split, unheard(task, split, hashes.length));
    return {
      splits,
      width: 0,
      seconds: 0,
      peakBytes: 0,
      environment: { engine: 'none', node: process.version },
      hashes: {},
    };
  }
  const index = await readIndex(
    store,
    shards.map((name) => ({ name })),
  );
  const reader = createReader(index);
  const used: string[] = [];
  try {
    for (const [split, hashes] of wanted) {
      const clips = hashes.map((hash) => storedClip(index, hash, store));
      used.push(...clips.map((clip) => clip.sha256));
      splits.set(split, {
        ...labelsOf(task, split, clips.length),
        ...(await readRows(index, clips, reader, task, split)),
      });
    }
  } finally {
    await reader.close();
  }
  const data = sha256(wanted.map(([split, hashes]) => `${split}\n${hashes.join('\n')}\n`).join(''));
  const { width, seconds, peakBytes, environment } = index;
  return { splits, width, seconds, peakBytes, environment, hashes: { data, embeddings: sha256(used.join('\n')) } };
}

/** A split of which only the labels are known; of event tasks the events, without frames. */
function unheard(task: Task, split: string, count: number): ProbeSplit {
  const labels = labelsOf(task, split, count);
  if (task.metadata.embedding_type === 'scene') return labels;
  const offsets = new Int32Array(count + 1);
  return { ...labels, frames: { offsets, timestamps: new Float64Array(0), events: eventsOf(task, split, count) } };
}

const eventsOf = (task: Task, split: string, count: number): FrameIndex['events'] =>
  (task.splits.get(split) ?? []).slice(0, count).map(({ events }) => events ?? []);

function labelsOf(task: Task, split: string, count: number): Pick<ProbeSplit, 'files' | 'labels' | 'ignored'> {
  const clips = (task.splits.get(split) ?? []).slice(0, count);
  const rows = { files: clips.map(({ file }) => file), labels: clips.map(({ labels }) => labels) };
  const hasIgnored = clips.some(({ ignored }) => ignored !== undefined && ignored.length > 0);
  return hasIgnored ? { ...rows, ignored: clips.map(({ ignored = [] }) => ignored) } : rows;
}

function storedClip({ clips }: StoreIndex, hash: string, store: string): StoredClip {
  const clip = clips.get(hash);
  if (clip) return clip;
  throw new DataError(
    `${store}: no embedding of clip ${hash.slice(0, 12)}…; the clip changed while it was read. Run again.`,
  );
}

async function readRows(
  index: StoreIndex,
  clips: readonly StoredClip[],
  reader: ReturnType<typeof createReader>,
  task: Task,
  split: string,
): Promise<Pick<ProbeSplit, 'embeddings' | 'frames'>> {
  const { width, kind } = index;
  const offsets = new Int32Array(clips.length + 1);
  clips.forEach(({ rows }, i) => (offsets[i + 1] = offsets[i]! + rows));
  const rows = offsets[clips.length]!;
  const data = new Float32Array(rows * width);
  const timestamps = new Float64Array(kind === 'event' ? rows : 0);
  for (const [i, clip] of clips.entries()) {
    const [from, to] = [offsets[i]!, offsets[i + 1]!];
    await reader.read(
      clip,
      data.subarray(from * width, to * width),
      kind === 'event' ? timestamps.subarray(from, to) : undefined,
    );
  }
  const embeddings = { data, width };
  if (kind === 'scene') return { embeddings };
  const events = eventsOf(task, split, clips.length);
  return { embeddings, frames: { offsets, timestamps, events } satisfies FrameIndex };
}
