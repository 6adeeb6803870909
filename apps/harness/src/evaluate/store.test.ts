import { appendFile, mkdtemp, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng, type Embedder } from '@unlabel/core';
import { encodeWav, sha256 } from '@unlabel/formats';
import { hearTasks, openTask, writeHearTask } from '@unlabel/tasks';
import { expect, test } from 'vitest';
import { statisticsBaseline } from '../models/baselines.ts';
import { embedShard } from './embed-job.ts';
import { readSplits } from './splits.ts';
import {
  committedClips,
  createReader,
  openShard,
  planShards,
  readIndex,
  storeKey,
  type ClipRef,
  type Shard,
} from './store.ts';

const temp = (): Promise<string> => mkdtemp(join(tmpdir(), 'store-'));
const header = { schema: 2, kind: 'scene', width: 3, environment: { engine: 'none' } } as const;
const about = { seconds: 0, peakBytes: 0 };
const clips = (n: number): ClipRef[] =>
  Array.from({ length: n }, (_, i) => ({ path: `${i}.wav`, hash: sha256(`${i}`), rate: 16000 }));
const shardOf = (n: number): Shard => planShards(clips(n), n)[0]!;
const row = (i: number): { values: Float32Array } => ({ values: Float32Array.of(i, i + 0.5, -i) });

async function fill(store: string, shard: Shard, to: number): Promise<void> {
  const writer = await openShard(store, shard, header);
  for (let i = writer.done; i < to; i++) await writer.append([row(i)], about);
  await writer.close();
}

test('a shard that was cut anywhere goes on and ends with the bytes of an unbroken one', async () => {
  const [whole, broken] = [await temp(), await temp()];
  const shard = shardOf(5);
  await fill(whole, shard, 5);
  const file = (store: string, end: string): string => join(store, `${shard.name}.${end}`);
  const expected = await Promise.all(['f32', 'jsonl'].map((end) => readFile(file(whole, end))));
  const { size } = await stat(file(whole, 'jsonl'));
  for (let cut = 0; cut < size; cut += 37) {
    await Promise.all(['f32', 'jsonl'].map((end, i) => writeFile(file(broken, end), expected[i]!)));
    await truncate(file(broken, 'jsonl'), cut); // its data may be there: a kill between data and line
    await appendFile(file(broken, 'f32'), 'rest of a batch');
    await fill(broken, shard, 5);
    expect(await Promise.all(['f32', 'jsonl'].map((end) => readFile(file(broken, end))))).toEqual(expected);
  }
});

test('keys part weights, precision and kind; equal runs of clips have one shard', () => {
  const keys = [
    storeKey('a', 'scene', undefined),
    storeKey('b', 'scene', undefined),
    storeKey('a', 'event', undefined),
    storeKey('a', 'scene', 'bf16'),
  ];
  expect(new Set(keys).size).toBe(4);
  expect(storeKey('a', 'scene', 'float32')).toBe(keys[0]);
  expect(planShards(clips(70), 70).map(({ name }) => name)).toEqual(planShards(clips(70), 70).map(({ name }) => name));
  expect(planShards(clips(64), 70)[0]).toEqual(planShards(clips(70), 70)[0]);
});

test('a shard of another engine is begun again, a damaged one is named', async () => {
  const store = await temp();
  const shard = shardOf(3);
  await fill(store, shard, 3);
  const index = await readIndex(store, [shard]);
  const reader = createReader(index);
  const values = new Float32Array(3);
  await reader.read(index.clips.get(shard.clips[2]!.hash)!, values);
  await reader.close();
  expect([...values]).toEqual([2, 2.5, -2]);
  const bytes = await readFile(join(store, `${shard.name}.f32`));
  bytes[13]! ^= 1;
  await writeFile(join(store, `${shard.name}.f32`), bytes);
  const damaged = createReader(index);
  await expect(damaged.read(index.clips.get(shard.clips[1]!.hash)!, values)).rejects.toThrow(
    /\.f32: the bytes at 12 do not match/,
  );
  await damaged.close();
  const writer = await openShard(store, shard, { ...header, environment: { engine: 'wasm' } });
  expect(writer.done).toBe(0);
  await writer.close();
  await truncate(join(store, `${shard.name}.f32`), 0);
  await fill(store, shard, 2);
  await truncate(join(store, `${shard.name}.f32`), 5);
  await expect(openShard(store, shard, header)).rejects.toThrow(/has 5 bytes, its index names 24/);
});

const embedJob = (shard: Shard, store: string, more: object = {}) => ({
  kind: 'embed' as const,
  model: { kind: 'baseline' as const, id: 'logmel-stats' },
  store,
  shard,
  wanted: shard.clips.length,
  output: 'scene' as const,
  cache: store,
  memory: 2 ** 30,
  ...more,
});

test('timestamp embeddings come back as frames of their files, with times in ms', async () => {
  const root = await temp();
  const event = hearTasks.find(({ name }) => name === 'dcase2016_task2')!;
  const task = await openTask(await writeHearTask(root, event, { clips: 3, seconds: 0.2 }));
  const list = task.splits.get('train')!;
  const refs = await Promise.all(
    list.map(async ({ file }) => {
      const path = task.wavPath('train', file, 16000);
      return { path, hash: sha256(await readFile(path)), rate: 16000 };
    }),
  );
  const [shard] = planShards(refs, refs.length);
  const embedder = statisticsBaseline('logmel-stats');
  await embedShard(embedJob(shard!, root, { output: 'event' }), embedder, { engine: 'none' });
  const read = await readSplits(task, {
    store: root,
    shards: [shard!.name],
    splits: [['train', refs.map(({ hash }) => hash)]],
  });
  const { frames, embeddings, files } = read.splits.get('train')!;
  expect(files).toEqual(list.map(({ file }) => file));
  expect([...frames!.offsets]).toEqual([0, 81, 162, 243]); // 0.8 s with a hop of 10 ms, both ends
  expect([...frames!.timestamps.subarray(81, 84)]).toEqual([0, 10, 20]);
  expect(frames!.events[0]).toEqual(list[0]!.events);
  expect(embeddings!.width).toBe(64);
  const audio = (await embedder.embedTimestamps!(new Float32Array(12800))).embeddings;
  expect(embeddings!.data.length).toBe(3 * audio.length);
});

async function writeClips(dir: string, lengths: readonly number[]): Promise<Shard> {
  const refs: ClipRef[] = [];
  for (const [i, length] of lengths.entries()) {
    const rng = createRng(i);
    const channels = [Float32Array.from({ length }, () => rng.range(-0.5, 0.5))];
    const path = join(dir, `clip-${i}.wav`);
    const bytes = encodeWav({ sampleRate: 16000, channels });
    await writeFile(path, bytes);
    refs.push({ path, hash: sha256(bytes), rate: 16000 });
  }
  return planShards(refs, refs.length)[0]!;
}

/** Says how many clips each call got; fails on the call asked for. */
function recording(calls: number[], failAt = -1, failure: () => Float32Array = () => new Float32Array(1)): Embedder {
  const baseline = statisticsBaseline('logmel-stats');
  return {
    ...baseline,
    embedScenes(audio) {
      calls.push(audio.length);
      return calls.length - 1 === failAt ? Promise.resolve(failure()) : baseline.embedScenes(audio);
    },
  };
}

test('batches keep to the memory given; ten-minute clips go one by one and short ones together', async () => {
  const dir = await temp();
  const shard = await writeClips(dir, [4800, 4800, 48000, 4800, 4800, 4800]);
  const calls: number[] = [];
  await embedShard(embedJob(shard, join(dir, 'a'), { memory: 64 * 16000 }), recording(calls), {});
  expect(calls).toEqual([2, 1, 3]);
  const all: number[] = [];
  await embedShard(embedJob(shard, join(dir, 'b')), recording(all), {});
  expect(all).toEqual([6]);
});

test('a model that fails half way is named with its clips; what was finished stays, and the rest follows', async () => {
  const dir = await temp();
  const shard = await writeClips(dir, [4800, 4800, 4800, 4800]);
  const job = embedJob(shard, join(dir, 'store'), { memory: 64 * 4800 }); // clip by clip
  const failures: readonly (readonly [() => Float32Array, RegExp])[] = [
    [
      () => new Float32Array(128).fill(NaN),
      /logmel-stats: embedding .*clip-1\.wav: the embedding of .*clip-1\.wav is not finite \(NaN at 0\)/,
    ],
    [() => new Float32Array(7), /clip-1\.wav: gave 7 values for 1 clips, expected 1 × 128/],
    [
      () => {
        throw new Error('CUDA out of memory');
      },
      /clip-1\.wav: CUDA out of memory/,
    ],
  ];
  for (const [i, [failure, message]] of failures.entries()) {
    await expect(embedShard(job, recording([], i === 0 ? 1 : 0, failure), {})).rejects.toThrow(message);
    expect(await committedClips(join(dir, 'store'), shard)).toBe(1);
  }
  const calls: number[] = [];
  await embedShard(job, recording(calls), {});
  expect(calls).toEqual([1, 1, 1]);
  await embedShard(embedJob(shard, join(dir, 'whole'), { memory: 64 * 4800 }), recording([]), {});
  const bytes = (store: string): Promise<Buffer> => readFile(join(dir, store, `${shard.name}.f32`));
  expect(await bytes('store')).toEqual(await bytes('whole'));
});

test('a clip at another rate is resampled once and read back as it was computed', async () => {
  const dir = await temp();
  const shard = await writeClips(dir, [48000]);
  const foreign: Shard = { ...shard, clips: shard.clips.map((clip) => ({ ...clip, rate: 16000 })) };
  const embedder: Embedder = { ...statisticsBaseline('logmel-stats'), sampleRate: 8000 };
  const heard: Float32Array[] = [];
  const listening: Embedder = {
    ...embedder,
    embedScenes: (audio) => {
      heard.push(audio[0]!);
      return embedder.embedScenes(audio);
    },
  };
  await embedShard(embedJob(foreign, join(dir, 'a'), { cache: dir }), listening, {});
  expect(
    (await readdir(join(dir, 'audio', '8000-v1'), { recursive: true })).filter((name) => name.endsWith('.wav')),
  ).toHaveLength(1);
  await writeFile(shard.clips[0]!.path, 'gone'); // the second time nobody reads it
  await embedShard(embedJob(foreign, join(dir, 'b'), { cache: dir }), listening, {});
  expect(heard[0]).toHaveLength(24000);
  expect(heard[1]).toEqual(heard[0]);
});
