/** Everything that is wrong with a task directory, its audio included. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, type TaskEvent } from '@unlabel/core';
import { decodeWav, sha256 } from '@unlabel/formats';
import { readTask, type OpenedTask } from './read-task.ts';
import { shown, type Findings } from './read-text.ts';

/** Seconds by which a clip may miss `sample_duration`: a sample or two of a resampler. */
const durationSlack = 0.01;

interface HeardClip {
  readonly split: string;
  readonly file: string;
  readonly hash: string;
  readonly isSilent: boolean;
}

/**
 * Reads every label and every sound file. Faults make results wrong or impossible; warnings are worth knowing.
 * A directory that cannot be read at all is a fault, not a throw.
 */
export async function validateTask(
  dir: string,
  onProgress: (clips: number, total: number) => void = () => {},
): Promise<{ faults: string[]; warnings: string[] }> {
  const { task, faults, warnings } = await readTask(dir);
  const findings: Findings = { faults, warnings };
  if (!task) return findings;
  const missing = new Set(faults.map((fault) => fault.slice(0, fault.indexOf(': '))));
  reportOverlap(task, findings);
  const total = task.sampleRates.length * [...task.splits.values()].reduce((sum, clips) => sum + clips.length, 0);
  let done = 0;
  for (const rate of task.sampleRates) {
    const heard: HeardClip[] = [];
    for (const [split, clips] of task.splits) {
      if (missing.has(`${rate}/${split}`)) continue;
      for (const { file, events } of clips) {
        onProgress(++done, total);
        const path = `${rate}/${split}/${file}`;
        if (missing.has(path)) continue;
        const clip = await hear(dir, path, rate, task.metadata.sample_duration, findings);
        if (!clip) continue;
        heard.push({ split, file, ...clip });
        if (events && rate === task.sampleRates[0])
          reportLateEvents(`${split}.json: ${shown(file)}`, events, clip.seconds, findings);
      }
    }
    reportRepeated(heard, rate, findings);
  }
  return findings;
}

async function hear(
  dir: string,
  path: string,
  rate: number,
  seconds: number | null,
  { faults, warnings }: Findings,
): Promise<{ hash: string; isSilent: boolean; seconds: number } | undefined> {
  let audio: ReturnType<typeof decodeWav>;
  try {
    audio = decodeWav(await readFile(join(dir, path)), path);
  } catch (error) {
    const message = messageOf(error);
    faults.push(message.startsWith(path) ? message : `${path}: could not be read (${message})`);
    return undefined;
  }
  const { channels, sampleRate, frames } = audio;
  const before = faults.length;
  if (sampleRate !== rate) faults.push(`${path}: expected ${rate} Hz as its folder says, found ${sampleRate} Hz`);
  if (channels.length !== 1) faults.push(`${path}: expected mono, found ${channels.length} channels`);
  if (frames === 0) faults.push(`${path}: holds no samples`);
  if (channels.some((channel) => channel.some((x) => !Number.isFinite(x)))) {
    faults.push(`${path}: holds samples that are NaN or infinite`);
  }
  if (faults.length > before) return undefined;
  const length = frames / sampleRate;
  if (seconds !== null && Math.abs(length - seconds) > durationSlack) {
    warnings.push(`${path}: has ${length.toFixed(3)} s, task_metadata.json says ${seconds} s for every clip`);
  }
  const [samples] = channels;
  const bytes = new Uint8Array(samples!.buffer, samples!.byteOffset, samples!.byteLength);
  return { hash: sha256(bytes), isSilent: samples!.every((x) => x === 0), seconds: length };
}

/** An event that starts after its clip can never be found; one that only ends after it is cut. */
function reportLateEvents(
  clip: string,
  events: readonly TaskEvent[],
  seconds: number,
  { faults, warnings }: Findings,
): void {
  const end = 1000 * (seconds + durationSlack);
  events.forEach((event, i) => {
    if (event.start >= end)
      faults.push(`${clip}: event ${i} starts at ${event.start} ms; the clip has ${Math.round(1000 * seconds)} ms`);
    else if (event.end > end)
      warnings.push(`${clip}: event ${i} ends at ${event.end} ms; the clip has ${Math.round(1000 * seconds)} ms`);
  });
}

/** One name in two splits is mostly one clip in two. Whether it is, their audio says (`reportRepeated`). */
function reportOverlap(task: OpenedTask, { warnings }: Findings): void {
  const first = new Map<string, string>();
  const shared = new Map<string, string[]>();
  for (const [split, clips] of task.splits) {
    for (const { file } of clips) {
      const earlier = first.get(file);
      if (earlier === undefined) first.set(file, split);
      else if (earlier !== split)
        shared.set(`${earlier} and ${split}`, [...(shared.get(`${earlier} and ${split}`) ?? []), file]);
    }
  }
  for (const [splits, files] of shared)
    warnings.push(`${splits} share ${files.length} file names, such as ${shown(files[0])}; do they overlap?`);
}

/** The same audio in two splits leaks the answer; within one it only counts twice. Silence may well repeat. */
function reportRepeated(heard: readonly HeardClip[], rate: number, { faults, warnings }: Findings): void {
  const first = new Map<string, HeardClip>();
  for (const clip of heard) {
    const earlier = first.get(clip.hash);
    if (!earlier) {
      first.set(clip.hash, clip);
      continue;
    }
    const message = `${rate}/${clip.split}/${clip.file}: has the same audio as ${rate}/${earlier.split}/${earlier.file}`;
    if (clip.isSilent) warnings.push(`${message} (silence)`);
    else if (clip.split === earlier.split) warnings.push(message);
    else faults.push(`${message}, in another split`);
  }
}
