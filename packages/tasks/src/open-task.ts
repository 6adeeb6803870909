/** Opens a task directory in HEAR's layout, whoever made it. */
import { readFile } from 'node:fs/promises';
import { loadAudio } from '@unlabel/audio';
import { DataError, type Task } from '@unlabel/core';
import { readTask, type OpenedTask, type ReadTaskOptions } from './read-task.ts';

/**
 * Reads metadata, vocabulary and labels, and checks that every clip's file is there (not what is in it: `validateTask` does).
 * Scene and event tasks, any splits.
 * @throws DataError with every fault, one a line and in `faults`
 */
export async function openTask(dir: string, options: ReadTaskOptions = {}): Promise<OpenedTask> {
  const { task, faults } = await readTask(dir, options);
  if (task && faults.length === 0) return task;
  const more = faults.length > 20 ? `\n  … and ${faults.length - 20} more` : '';
  throw new DataError(
    `${dir}: is not a task that can be used, ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}:\n  ${faults.slice(0, 20).join('\n  ')}${more}`,
    { faults },
  );
}

/**
 * A clip as mono audio [N] at `sampleRate`, read at the nearest rate there is (`Task.wavPath`) and resampled.
 * @throws DataError naming the file when it is missing or cannot be decoded
 */
export async function loadClip(task: Task, split: string, file: string, sampleRate: number): Promise<Float32Array> {
  const { audio } = await loadAudio(task.wavPath(split, file, sampleRate), { sampleRate });
  return audio;
}

/** Bytes of a clip's file, for hashing. */
export const readClip = (task: Task, split: string, file: string, sampleRate: number): Promise<Uint8Array> =>
  readFile(task.wavPath(split, file, sampleRate));
