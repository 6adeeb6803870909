import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { varispeed } from './varispeed.ts';

const tone = (hertz: number, samples: number): Float32Array =>
  Float32Array.from({ length: samples }, (_, n) => Math.sin((2 * Math.PI * hertz * n) / 16000));

/** Largest difference away from the ends, where the kernel sees beyond the clip. */
const distance = (a: Float32Array, b: Float32Array): number => {
  let largest = 0;
  for (let i = 50; i < Math.min(a.length, b.length) - 50; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
};

describe('a recording played faster or slower', () => {
  // ratios that are whole numbers of 1/320: 2, 1/2, and 359/320 (2 semitones), 254/320 (−4)
  test.each([
    [12, 2],
    [-12, 1 / 2],
    [2, 359 / 320],
    [-4, 254 / 320],
  ])('%i semitones: a tone of 440 Hz has %f times the frequency and lasts so much shorter', (semitones, ratio) => {
    const played = varispeed(tone(440, 8000), semitones);
    expect(played.length).toBe(Math.ceil(8000 / ratio));
    // a windowed sinc of 6 zero crossings is flat within 2 per mille there
    expect(distance(played, tone(440 * ratio, played.length))).toBeLessThan(2e-3);
  });

  test.each([
    [3, 381],
    [-5, 240],
  ])('%i semitones: sample k is the recording at k times the ratio, by a sinc under a Hann window', (semitones, q) => {
    const rng = createRng(7);
    const audio = Float32Array.from({ length: 400 }, () => rng.range(-1, 1));
    const played = varispeed(audio, semitones);
    const cutoff = 0.99 * Math.min(1, 320 / q); // torchaudio's roll-off; 6 zero crossings
    const expected = Array.from({ length: Math.ceil((400 * 320) / q) }, (_, k) =>
      audio.reduce((sum, x, i) => {
        const t = (i - (k * q) / 320) * cutoff;
        const sinc = t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t);
        return Math.abs(t) >= 6 ? sum : sum + x * sinc * Math.cos((Math.PI * t) / 12) ** 2 * cutoff;
      }, 0),
    );
    expect(played).toHaveLength(expected.length);
    // kernels are placed in float32
    expect(Math.max(...expected.map((x, k) => Math.abs(x - played[k]!)))).toBeLessThan(1e-4);
  });

  test('pitch is within half a 320th of what is asked: 3 cents of a recording played faster, 11 two octaves below', () => {
    for (let semitones = -24; semitones <= 24; semitones += 0.7) {
      const ratio = 32_000 / varispeed(new Float32Array(32_000), semitones).length;
      expect(Math.abs(1200 * Math.log2(ratio) - 100 * semitones)).toBeLessThan(3 * Math.max(1, 2 ** (-semitones / 12)));
    }
  });

  test('what would rise above half the sample rate is not there', () => {
    const played = varispeed(tone(5000, 8000), 12);
    // the side lobes of a sinc under a Hann window lie 44 dB below
    expect(Math.max(...played.subarray(50, -50).map(Math.abs))).toBeLessThan(10 ** (-44 / 20));
  });

  test('no change of speed is the same array; one beyond two octaves, or none at all, is refused', () => {
    const audio = tone(440, 100);
    expect(varispeed(audio, 0)).toBe(audio);
    expect(() => varispeed(audio, 25)).toThrow(/−24 to 24 semitones, found 25/);
    expect(() => varispeed(audio, Number.NaN)).toThrow(/found NaN/);
  });
});
