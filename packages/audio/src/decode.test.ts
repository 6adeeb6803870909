import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { encodeWav } from '@unlabel/formats';
import { loadAudio, toMono } from './decode.ts';
import { resample } from './resample.ts';

let dir = '';
let stereo: Float32Array[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'unlabel-decode-'));
  const rng = createRng(3);
  stereo = [0, 1].map(() => Float32Array.from({ length: 30001 }, () => rng.range(-1, 1)));
  await writeFile(join(dir, 'stereo.wav'), encodeWav({ sampleRate: 44100, channels: stereo }, 'float32'));
  await writeFile(join(dir, 'empty.wav'), encodeWav({ sampleRate: 44100, channels: [new Float32Array(0)] }, 'float32'));
});
afterAll(() => rm(dir, { recursive: true }));

test('stereo files become the mean of their channels at their own rate', async () => {
  const { audio, sampleRate, seconds } = await loadAudio(join(dir, 'stereo.wav'));
  expect(sampleRate).toBe(44100);
  expect(seconds).toBeCloseTo(30001 / 44100, 12);
  expect(audio).toEqual(stereo[0]!.map((x, i) => Math.fround(x + stereo[1]![i]!) / 2));
});

describe.each([8000, 16000, 22050, 44100, 48000])('at %i Hz', (sampleRate) => {
  test.each([
    [0, 0.1],
    [0.0001, 0.05],
    [0.123, 0.25],
    [0.5, 0.1],
    [0.6, 5],
    [0.68, Infinity],
  ])('the part from %d s of %d s equals those samples of the whole', async (start, seconds) => {
    const path = join(dir, 'stereo.wav');
    const whole = (await loadAudio(path, { sampleRate })).audio;
    expect(whole).toEqual(resample((await loadAudio(path)).audio, 44100, sampleRate));
    const first = Math.round(start * sampleRate);
    const part = await loadAudio(path, { sampleRate, start, seconds });
    expect(part.audio).toEqual(whole.slice(first, first + Math.round(Math.min(seconds, 10) * sampleRate)));
    expect(part.seconds).toBe(part.audio.length / sampleRate);
  });
});

test('what cannot be read says so', async () => {
  await expect(loadAudio(join(dir, 'stereo.wav'), { start: 2 })).rejects.toThrow('ends after 0.68');
  await expect(loadAudio(join(dir, 'stereo.wav'), { start: -1 })).rejects.toThrow('start ≥ 0');
  await expect(loadAudio(join(dir, 'empty.wav'))).rejects.toThrow('holds no samples');
  await expect(loadAudio(join(dir, 'absent.wav'))).rejects.toThrow('absent.wav');
  expect(() => toMono([])).toThrow('found none');
});
