import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { framePlan, padModes } from './frames.ts';
import { pairFiller, plainFiller, type MelSetup } from './mel-frames.ts';
import { melBank } from './mel.ts';

const noise = (n: number): Float32Array => {
  const rng = createRng(9);
  return Float32Array.from({ length: n }, () => rng.range(-1, 1));
};

function setupOf(options: Parameters<typeof framePlan>[0], rest: Partial<MelSetup> = {}): MelSetup {
  const plan = framePlan(options);
  const bank = melBank({ sampleRate: 16000, bins: options.nFft / 2 + 1, nMels: 11, fMin: 20 });
  return { plan, bank, power: 2, powerOffset: 0, scale: 1, offset: undefined, ...rest };
}

/** Largest difference between the two fillers, relative to the largest value. */
function difference(setup: MelSetup, audio: Float32Array): number {
  const frames = setup.plan.framesOf(audio.length);
  const [plain, pair] = [new Float32Array(11 * frames), new Float32Array(11 * frames).fill(NaN)];
  plainFiller(setup)(audio, frames, plain);
  pairFiller(setup)(audio, frames, pair);
  const most = Math.max(...plain.map(Math.abs)) || 1; // a clip that the window misses is all zeros
  return Math.max(...plain.map((x, i) => Math.abs(x - pair[i]!))) / most;
}

describe('two frames at a time equals frame by frame', () => {
  test.each([8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096])('for frames of %i samples', (nFft) => {
    expect(difference(setupOf({ nFft, hopLength: 37 }), noise(5000))).toBeLessThan(2e-7);
  });

  test.each([1, 2, 3, 127, 128, 129, 257, 20000])('for clips of %i samples, in every padding mode', (n) => {
    for (const padMode of padModes) {
      for (const center of [true, false]) {
        const setup = setupOf({ nFft: 256, hopLength: 64, winLength: 200, padMode, center });
        expect(difference(setup, noise(n))).toBeLessThan(2e-7);
      }
    }
  });

  test('with magnitudes, scales, offsets and logarithms', () => {
    const audio = noise(4000);
    for (const power of [1, 2]) {
      const rest = { power, powerOffset: 0.01, scale: 0.003 };
      expect(difference(setupOf({ nFft: 256 }, rest), audio)).toBeLessThan(2e-7);
      expect(difference(setupOf({ nFft: 256 }, { ...rest, offset: 1e-7 }), audio)).toBeLessThan(2e-7);
    }
  });

  test('with no band below nothing, where bins cancel', () => {
    const plan = framePlan({ nFft: 256, hopLength: 64, window: 'rect', center: false });
    const bank = melBank({ sampleRate: 16000, bins: 129, nMels: 40, fMin: 0 });
    const filler = { plan, bank, power: 2, powerOffset: 0, scale: 1, offset: undefined };
    for (let cycles = 0; cycles <= 128; cycles++) {
      const tone = Float32Array.from({ length: 512 }, (_, i) => Math.cos((2 * Math.PI * cycles * i) / 256));
      for (const fill of [plainFiller(filler), pairFiller(filler)]) {
        const bands = new Float32Array(40 * 5);
        fill(tone, 5, bands);
        expect(Math.min(...bands)).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test('with frames further apart than they are long', () => {
    expect(difference(setupOf({ nFft: 64, hopLength: 1000 }), noise(90000))).toBeLessThan(2e-7);
    expect(difference(setupOf({ nFft: 64, hopLength: 1000, pad: 700 }), noise(3000))).toBeLessThan(2e-7);
  });
});
