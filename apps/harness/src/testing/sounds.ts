/** Small generated recordings for tests: tones with harmonics and noise, one pitch a class. */
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeWav, writeFileAtomic } from '@unlabel/formats';

export interface SoundOptions {
  readonly count: number;
  readonly seconds: number;
  readonly sampleRate?: number;
}

/** Write `count` wav files to `dir`; returns their paths. File i has pitch class i mod 4. */
export async function writeSounds(
  dir: string,
  { count, seconds, sampleRate = 16000 }: SoundOptions,
): Promise<string[]> {
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const path = join(dir, `sound-${String(i).padStart(3, '0')}.wav`);
    await writeFileAtomic(
      path,
      encodeWav({ sampleRate, channels: [tone(i, Math.round(seconds * sampleRate), sampleRate)] }, 'pcm16'),
    );
    paths.push(path);
  }
  return paths;
}

function tone(index: number, samples: number, sampleRate: number): Float32Array {
  const rng = createRng(1000 + index);
  const f0 = 220 * 2 ** (index % 4) * (1 + 0.02 * rng.normal());
  const brightness = rng.range(0.2, 0.8);
  return Float32Array.from({ length: samples }, (_, n) => {
    const t = n / sampleRate;
    let value = 0;
    for (let h = 1; h <= 5; h++) value += brightness ** (h - 1) * Math.sin(2 * Math.PI * f0 * h * t);
    return 0.15 * value * Math.exp(-2 * t) + 0.01 * rng.normal();
  });
}

/** A HEAR-style multiclass scene task of such sounds, labelled by pitch class; the path of its directory. */
export async function writeToneTask(root: string, clipsPerSplit = 16): Promise<string> {
  const dir = join(root, 'tones-v1-full');
  const labels = ['high', 'low', 'mid', 'top'];
  const order = ['low', 'mid', 'high', 'top'];
  for (const [s, split] of ['train', 'valid', 'test'].entries()) {
    const clips: Record<string, string[]> = {};
    for (let i = 0; i < clipsPerSplit; i++) {
      const name = `${split}-${i}.wav`;
      const audio = tone(s * clipsPerSplit + i, 16000, 16000);
      await writeFileAtomic(
        join(dir, '16000', split, name),
        encodeWav({ sampleRate: 16000, channels: [audio] }, 'pcm16'),
      );
      clips[name] = [order[(s * clipsPerSplit + i) % 4]!];
    }
    await writeFileAtomic(join(dir, `${split}.json`), JSON.stringify(clips));
  }
  await writeFileAtomic(
    join(dir, 'labelvocabulary.csv'),
    `idx,label\n${labels.map((label, i) => `${i},${label}\n`).join('')}`,
  );
  const metadata = {
    task_name: 'tones',
    version: 'v1',
    mode: 'full',
    embedding_type: 'scene',
    prediction_type: 'multiclass',
    split_mode: 'trainvaltest',
    splits: ['train', 'valid', 'test'],
    sample_duration: 1,
    evaluation: ['top1_acc', 'mAP'],
  };
  await writeFileAtomic(join(dir, 'task_metadata.json'), JSON.stringify(metadata));
  return dir;
}
