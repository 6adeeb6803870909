import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createRng, goldenAudio, goldenTensor } from '@unlabel/core';
import { color, colouredNoise, rootMeanSquare } from './coloured-noise.ts';
import { fade, fadeBy, type FadeShape } from './fade.ts';
import { stretch, timeStretch } from './phase-vocoder.ts';
import { pitchShift, resampleRatio, shiftPitch } from './pitch-shift.ts';
import { roll, timeMask, timeShift } from './time-shift.ts';

type Table = Readonly<Record<string, readonly number[]>>;
const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/waveform-augmentations.json', import.meta.url), 'utf8'),
) as Readonly<Record<'stretch' | 'pitch' | 'resample' | 'noise' | 'fade', Table>> & { seed: number; stride: number };
const { seed, stride } = fixture;
const audio = goldenAudio('stretch', seed, 12000, 16000).data;
const white = goldenTensor('input:noise', seed, [1600], 1).data;

/** Largest distance of every 23rd sample from the reference's. */
function worst(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(Math.ceil(found.length / stride)).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(found[i * stride]! - value)));
}

describe('torchaudio’s numbers', () => {
  // Spectra here are float32, the reference's float64; phases add up over 50 to 300 frames.
  test.each(Object.entries(fixture.stretch))('stretched at %s', (rate, expected) => {
    expect(worst(stretch(audio, Number(rate)), expected)).toBeLessThan(2e-5);
  });
  test.each(Object.entries(fixture.pitch))('shifted by %s semitones', (semitones, expected) => {
    expect(worst(shiftPitch(audio, Number(semitones)), expected)).toBeLessThan(5e-5);
  });
  // the kernel is read from a table of 2048 values a zero crossing
  test.each(Object.entries(fixture.resample))('resampled %s', (rates, expected) => {
    const [from, to] = rates.split('-').map(Number) as [number, number];
    expect(worst(resampleRatio(audio, from, to), expected)).toBeLessThan(2e-6);
  });
  test.each(Object.entries(fixture.noise))('noise of decay %s', (decay, expected) => {
    expect(worst(color(white, Number(decay)), expected)).toBeLessThan(1e-6);
  });
  test.each(Object.entries(fixture.fade))('%s fade', (shape, expected) => {
    expect(worst(fadeBy(audio, 2500, 4100, shape as FadeShape), expected)).toBeLessThan(1e-6);
  });
});

/** Frequency of the strongest bin of a DFT around `near`, Hz at 16 kHz. */
function pitchOf(signal: Float32Array, near: number): number {
  let best = { hz: 0, power: -1 };
  for (let hz = near * 0.8; hz < near * 1.25; hz += 1) {
    let [re, im] = [0, 0];
    for (let i = 3000; i < 9000; i++) {
      re += signal[i]! * Math.cos((2 * Math.PI * hz * i) / 16000);
      im += signal[i]! * Math.sin((2 * Math.PI * hz * i) / 16000);
    }
    if (re * re + im * im > best.power) best = { hz, power: re * re + im * im };
  }
  return best.hz;
}

describe('what they do', () => {
  const tone = Float32Array.from({ length: 12000 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / 16000));

  test('stretching keeps the pitch, shifting keeps the length', () => {
    const slow = stretch(tone, 0.8);
    expect(slow.length).toBe(15000);
    expect(pitchOf(slow, 440)).toBeCloseTo(440, -1);
    const up = shiftPitch(tone, 7);
    expect(up.length).toBe(12000);
    expect(Math.abs(pitchOf(up, 440 * 2 ** (7 / 12)) - 440 * 2 ** (7 / 12))).toBeLessThan(6);
    expect(Math.abs(pitchOf(shiftPitch(tone, -12), 220) - 220)).toBeLessThan(4);
  });

  test('noise has the level and the colour asked for', () => {
    for (const snr of [3, 30]) {
      const noisy = colouredNoise(tone, createRng(1), { snr: [snr, snr] });
      const noise = noisy.map((x, i) => x - tone[i]!);
      expect(20 * Math.log10(rootMeanSquare(tone) / rootMeanSquare(noise))).toBeCloseTo(snr, 0);
    }
    const roughness = (decay: number): number => {
      const noise = color(white, decay);
      return rootMeanSquare(noise.map((x, i) => (i > 0 ? x - noise[i - 1]! : 0)));
    };
    expect(roughness(1.5)).toBeLessThan(0.8 * roughness(0));
    expect(roughness(0)).toBeLessThan(0.95 * roughness(-1.5));
    expect(color(new Float64Array(8), 1).every((x) => x === 0)).toBe(true);
  });

  test('rolling moves everything, masking silences one span', () => {
    expect([...roll(Float32Array.of(1, 2, 3, 4), 1)]).toEqual([4, 1, 2, 3]);
    expect([...roll(Float32Array.of(1, 2, 3, 4), -1)]).toEqual([2, 3, 4, 1]);
    const ones = new Float32Array(800).fill(1);
    for (let i = 0; i < 30; i++) {
      const masked = timeMask(ones, createRng(i));
      const zeros = [...masked.keys()].filter((at) => masked[at] === 0);
      expect(zeros.length).toBeLessThanOrEqual(100);
      if (zeros.length > 0) expect(zeros.at(-1)! - zeros[0]! + 1).toBe(zeros.length);
    }
  });

  test.each([
    ['timeStretch', timeStretch],
    ['pitchShift', pitchShift],
    ['colouredNoise', colouredNoise],
    ['fade', fade],
    ['timeShift', timeShift],
    ['timeMask', timeMask],
  ] as const)(
    '%s keeps the length, depends on its draws alone, leaves its input, and survives silence and short clips',
    (_, augment) => {
      for (const clip of [tone.subarray(0, 8000), new Float32Array(6000), tone.subarray(0, 40)]) {
        const held = clip.slice();
        const once = augment(clip, createRng(3));
        expect(once.length).toBe(clip.length);
        expect(once.every(Number.isFinite)).toBe(true);
        expect(augment(clip, createRng(3))).toEqual(once);
        expect(clip.slice()).toEqual(held);
      }
      expect(augment(tone, createRng(4))).not.toEqual(augment(tone, createRng(5)));
    },
  );
});
