/** `--dry-run`: what an evaluation would take, before it starts. Reads labels and sizes; writes no result and no embedding. */
import { stat } from 'node:fs/promises';
import { nearestRate, type OpenedTask } from '@unlabel/tasks';
import { splitsOf } from './clips.ts';
import { usedFolds, type EvaluateOptions } from './evaluate.ts';
import type { ModelSpeed } from './measure.ts';
import { describeModel, type ModelDescription } from '../models/describe.ts';
import { showBytes } from './memory.ts';
import { createPool } from './pool.ts';

export interface TaskSize {
  readonly clips: number;
  readonly seconds: number;
  readonly longestSeconds: number;
}

const wavHeaderBytes = 44;

/** Clips and seconds; lengths from the metadata, else from the sizes of the 16-bit files. */
export async function sizeOfTask(
  task: OpenedTask,
  { folds, limit }: EvaluateOptions,
  sampleRate: number,
): Promise<TaskSize> {
  if (task.modality === 'image') {
    const splits = splitsOf(task, usedFolds(task, folds));
    const clips = splits.reduce((sum, split) => sum + Math.min(limit ?? Infinity, task.splits.get(split)!.length), 0);
    return { clips, seconds: clips, longestSeconds: 0 }; // an image counts as a second
  }
  const rate = nearestRate(task.sampleRates, sampleRate) ?? sampleRate;
  const duration = task.metadata.sample_duration;
  let [clips, seconds, longestSeconds] = [0, 0, 0];
  for (const split of splitsOf(task, usedFolds(task, folds))) {
    for (const { file } of task.splits.get(split)!.slice(0, limit ?? Infinity)) {
      const length = duration ?? ((await stat(task.wavPath(split, file, rate))).size - wavHeaderBytes) / (2 * rate);
      clips++;
      seconds += length;
      longestSeconds = Math.max(longestSeconds, length);
    }
  }
  return { clips, seconds, longestSeconds };
}

/** Text of a table, one row a model and task. Time is the embedding's, by a measurement of the model on noise. */
export async function dryRun(options: EvaluateOptions): Promise<string> {
  const pool = createPool(1, options.engine);
  const lines: string[] = [];
  let [time, disk] = [0, 0];
  try {
    for (const ref of options.models) {
      const model = await describeModel(ref);
      if (ref.kind === 'chance') {
        lines.push(`${model.id}: hears nothing, takes no time\n`);
        continue;
      }
      const sizes = await Promise.all(options.tasks.map((task) => sizeOfTask(task, options, model.sampleRate)));
      const longestSeconds = Math.max(...sizes.map((size) => size.longestSeconds));
      const share = Math.floor(options.memory / options.workers);
      const speed = await pool.run({
        kind: 'speed',
        model: ref,
        memory: share,
        longestSeconds,
        modality: model.modality ?? 'audio',
      });
      lines.push(`${model.id}: ${memoryLine(speed, share, longestSeconds, options.workers, model)}\n`);
      for (const [i, task] of options.tasks.entries()) {
        const size = sizes[i]!;
        const seconds = (size.seconds * speed.perSecond) / options.workers;
        const bytes = embeddingBytes(task, size, speed);
        const audio = audioBytes(task, size, model);
        time += seconds;
        disk += bytes + audio;
        const kept = audio > 0 ? ` + ${showBytes(audio)} of resampled audio` : '';
        lines.push(
          `  ${task.id.padEnd(24)} ${sizeText(task, size)}  embed ${showTime(seconds).padStart(8)}  disk ${showBytes(bytes)}${kept}\n`,
        );
      }
    }
  } finally {
    pool.close();
  }
  lines.push(
    `together: embed ${showTime(time)} on ${options.workers} workers, disk ${showBytes(disk)}; what is embedded already is not taken off, probes come on top\n`,
  );
  return lines.join('');
}

function memoryLine(
  speed: ModelSpeed,
  share: number,
  longest: number,
  workers: number,
  { modality }: ModelDescription,
): string {
  const fixed = `${workers} × ${showBytes(speed.residentBytes)}`;
  const rate = `${(1 / speed.perSecond).toFixed(0)} ${modality === 'image' ? 'images' : 's of audio'} a second a worker`;
  if (speed.longestBytes === null) return `${rate}, memory about ${fixed}`;
  const state = speed.longestBytes <= share / 2 ? 'within' : 'above';
  return `${rate}, memory about ${fixed} and up to ${showBytes(Math.min(share / 2, speed.longestBytes))} each; the longest clip (${longest.toFixed(1)} s) takes ${showBytes(speed.longestBytes)} in one pass, ${state} the half of a worker's ${showBytes(share)} that passes may take`;
}

function embeddingBytes(task: OpenedTask, { clips, seconds }: TaskSize, speed: ModelSpeed): number {
  if (task.metadata.embedding_type === 'scene') return clips * speed.sceneWidth * 4;
  return Math.round(seconds * speed.framesPerSecond) * (speed.frameWidth * 4 + 8);
}

const sizeText = (task: OpenedTask, { clips, seconds }: TaskSize): string =>
  task.modality === 'image'
    ? `${String(clips).padStart(7)} images`
    : `${String(clips).padStart(7)} clips  ${(seconds / 3600).toFixed(2).padStart(7)} h`;

const audioBytes = (task: OpenedTask, { seconds }: TaskSize, { sampleRate }: ModelDescription): number =>
  task.modality === 'image' || task.sampleRates.includes(sampleRate) ? 0 : Math.round(seconds * sampleRate * 4);

function showTime(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(1)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
