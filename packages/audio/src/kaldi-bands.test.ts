import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import { frameBands, pairBands, type KaldiBands } from './kaldi-bands.ts';
import { kaldiMelBank } from './kaldi-fbank.ts';

const signals: Readonly<Record<string, (i: number) => number>> = {
  noise: (
    (rng) => () =>
      3000 * rng.normal()
  )(createRng(3)),
  'a tone, whose other bins nearly cancel': (i) => 12000 * Math.sin(0.37 * i),
  'noise between silences': ((rng) => (i: number) => (i % 900 >= 300 ? 0 : Math.round(rng.normal() * 4)))(createRng(4)),
};

test.each(Object.keys(signals))('two frames at a time give the bytes of frame by frame: %s', (name) => {
  for (const [nFft, size, frames] of [
    [512, 400, 9],
    [512, 512, 2],
    [256, 200, 1],
    [1024, 551, 6],
  ] as const)
    // prettier-ignore
    for (const usePower of [true, false]) {
      const { bank } = kaldiMelBank({ nMels: 40, nFft, sampleRate: 16000, fMin: 20, fMax: 0 });
      const audio = Float64Array.from({ length: frames * size }, (_, i) => signals[name]!(i));
      const run = (make: (setup: KaldiBands) => ReturnType<typeof frameBands>): Float64Array => {
        const all = new Float64Array(frames * 40).fill(NaN);
        make({ bank, nFft, size, usePower })(
          frames,
          (t, frame) => frame.set(audio.subarray(t * size, (t + 1) * size)),
          (t, bands, first, step) => {
            for (let m = 0; m < 40; m++) all[t * 40 + m] = bands[first + m * step]!;
          },
        );
        return all;
      };
      const expected = run(frameBands);
      expect(expected.some((value) => value > 0)).toBe(true);
      expect(run(pairBands)).toEqual(expected);
    }
});
