/** Everything that is wrong with a task directory, its audio included. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@unlabel/core';
import { decodeWav, sha256 } from '@unlabel/formats';
import { readTask } from './read-task.ts';
import type { Findings } from './read-text.ts';

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
export async function validateTask(dir: string): Promise<{ faults: string[]; warnings: string[] }> {
  const { task, faults, warnings } = await readTask(dir);
  const findings: Findings = { faults, warnings };
  if (!task) return findings;
  const missing = new Set(faults.map((fault) => fault.slice(0, fault.indexOf(': '))));
  for (const rate of task.sampleRates) {
    const heard: HeardClip[] = [];
    for (const [split, clips] of task.splits) {
      if (missing.has(`${rate}/${split}`)) continue;
      for (const { file } of clips) {
        const path = `${rate}/${split}/${file}`;
        if (missing.has(path)) continue;
        const clip = await hear(dir, path, rate, task.metadata.sample_duration, findings);
        if (clip) heard.push({ split, file, ...clip });
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
): Promise<{ hash: string; isSilent: boolean } | undefined> {
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
  return { hash: sha256(bytes), isSilent: samples!.every((x) => x === 0) };
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
