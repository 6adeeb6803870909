import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { framePlan, padModes } from './frames.ts';
import { framePairs, pairsByFrame } from './pair-frames.ts';
import { synthesis } from './stft.ts';

const noise = (n: number, seed: number): Float64Array => {
  const rng = createRng(seed);
  return Float64Array.from({ length: n }, () => rng.range(-1, 1));
};
const worst = (a: Float64Array, b: Float64Array): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

test.each([8, 16, 64, 256, 512, 1024, 2048])('two frames of %i samples at a time equal frame by frame', (nFft) => {
  const audio = Float32Array.from(noise(3 * nFft, 1));
  for (const padMode of padModes) {
    const plan = framePlan({ nFft, hopLength: Math.ceil(nFft / 3), padMode });
    const [pair, plain] = [framePairs(plan), pairsByFrame(plan)];
    expect(pair.bins).toBe(plain.bins);
    const [re, im, expectedRe, expectedIm] = [1, 2, 3, 4].map(() => new Float64Array(2 * pair.bins).fill(NaN));
    for (let first = 0; first < plan.framesOf(audio.length); first += 2) {
      pair.spectra(audio, first, re!, im!);
      plain.spectra(audio, first, expectedRe!, expectedIm!);
      expect(worst(re!, expectedRe!)).toBeLessThan(1e-15 * nFft);
      expect(worst(im!, expectedIm!)).toBeLessThan(1e-15 * nFft);
    }
  }
  const plan = framePlan({ nFft });
  const [re, im] = [noise(2 * (nFft / 2 + 1), 2), noise(2 * (nFft / 2 + 1), 3)];
  const [out, expected] = [new Float64Array(2 * nFft), new Float64Array(2 * nFft)];
  framePairs(plan).inverse(re, im, out);
  pairsByFrame(plan).inverse(re, im, expected);
  expect(worst(out, expected)).toBeLessThan(1e-14);
});

test('frames that are not there are silence; other lengths go frame by frame', () => {
  const audio = Float32Array.from(noise(100, 4));
  for (const nFft of [64, 60]) {
    const plan = framePlan({ nFft, hopLength: 100, center: false });
    expect(plan.framesOf(audio.length)).toBe(1);
    const pair = framePairs(plan);
    const [re, im] = [new Float64Array(2 * pair.bins).fill(NaN), new Float64Array(2 * pair.bins).fill(NaN)];
    pair.spectra(audio, 0, re, im);
    expect([...re.keys()].every((i) => (i % 2 === 0 ? re[i] !== 0 : re[i] === 0 && im[i] === 0))).toBe(true);
    const back = new Float64Array(2 * nFft);
    pair.inverse(re, im, back);
    const windowed = Float64Array.from({ length: nFft }, (_, i) => audio[i]! * plan.window[i]!);
    expect(
      worst(
        windowed,
        back.filter((_, i) => i % 2 === 0),
      ),
    ).toBeLessThan(1e-14);
  }
});

test.each([1, 2, 5, 8, 13])('a synthesis of %i frames is the sum of windowed frames over that of squared windows', (frames) => {
  for (const [nFft, hopLength] of [[64, 16], [64, 25], [60, 20]] as const) {
    const plan = framePlan({ nFft, hopLength });
    const pair = framePairs(plan);
    const made = synthesis({ nFft, hopLength }, frames);
    const total = nFft + hopLength * (frames - 1);
    const [sum, weight, both] = [new Float64Array(total), new Float64Array(total), new Float64Array(2 * nFft)];
    for (let t = 0; t < frames; t += 2) {
      const [re, im] = [noise(2 * pair.bins, t + 1), noise(2 * pair.bins, t + 2)];
      made.add(re, im);
      pair.inverse(re, im, both);
      for (let lane = 0; lane < Math.min(2, frames - t); lane++) {
        for (let i = 0; i < nFft; i++) {
          sum[(t + lane) * hopLength + i]! += both[2 * i + lane]! * plan.window[i]!;
          weight[(t + lane) * hopLength + i]! += plan.window[i]! * plan.window[i]!;
        }
      }
    }
    const [start, end] = [nFft / 2, total - 1]; // the first value of the window is nothing
    const expected = Float32Array.from(sum.subarray(start, end), (value, i) => value / weight[start + i]!);
    expect(made.audio(end - start)).toEqual(expected);
  }
}); // prettier-ignore
