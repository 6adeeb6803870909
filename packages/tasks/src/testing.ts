/** Small task directories for tests: seeded noise, any layout, any damage. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';

export interface TinyTask {
  /** Folder name; default `tiny-v1-full`. */
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly vocabulary?: string;
  /** Split → label file; a string is written as it is. */
  readonly splits?: Readonly<Record<string, Readonly<Record<string, unknown>> | string>>;
  readonly rates?: readonly number[];
}

/** Mono noise that differs for every `name`. */
export const noise = (name: string, sampleRate: number, seconds = 0.1): Uint8Array => {
  const rng = createRng(1).fork(name);
  const samples = Float32Array.from({ length: Math.round(sampleRate * seconds) }, () => rng.range(-0.5, 0.5));
  return encodeWav({ sampleRate, channels: [samples] });
};

const defaultSplits = {
  train: { 'a.wav': ['cat'], 'b.wav': ['dog'] },
  valid: { 'c.wav': ['cat'], 'd.wav': ['dog'] },
  test: { 'e.wav': ['dog'], 'f.wav': ['cat'] },
};

/** Writes a task of two classes into a new folder; @returns the task's directory. */
export async function writeTinyTask(options: TinyTask = {}): Promise<string> {
  const { name = 'tiny-v1-full', rates = [16000] } = options;
  const splits = options.splits ?? defaultSplits;
  const dir = join(await mkdtemp(join(tmpdir(), 'unlabel-task-')), name);
  await mkdir(dir, { recursive: true });
  const metadata = {
    task_name: 'tiny',
    version: 'v1',
    mode: 'full',
    embedding_type: 'scene',
    prediction_type: 'multiclass',
    split_mode: 'trainvaltest',
    splits: Object.keys(splits),
    sample_duration: 0.1,
    evaluation: ['top1_acc', 'mAP'],
    ...options.metadata,
  };
  await writeFile(join(dir, 'task_metadata.json'), JSON.stringify(metadata));
  await writeFile(join(dir, 'labelvocabulary.csv'), options.vocabulary ?? 'idx,label\n0,cat\n1,dog\n');
  for (const [split, labels] of Object.entries(splits)) {
    await writeFile(join(dir, `${split}.json`), typeof labels === 'string' ? labels : JSON.stringify(labels));
    for (const rate of rates) {
      await mkdir(join(dir, String(rate), split), { recursive: true });
      const files = typeof labels === 'string' ? [] : Object.keys(labels).filter((file) => /^[\w.-]+$/.test(file));
      for (const file of files) await writeFile(join(dir, String(rate), split, file), noise(`${split}/${file}`, rate));
    }
  }
  return dir;
}
