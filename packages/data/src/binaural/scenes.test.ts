import { expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { interauralGains, interauralTime, renderBinaural } from './render.ts';
import { renderScene } from './scenes.ts';

const rate = 16000;
const sine = (hz: number, seconds = 0.5): Float32Array =>
  Float32Array.from({ length: seconds * rate }, (_, n) => Math.sin((2 * Math.PI * hz * n) / rate));
const rms = (x: Float32Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

test('the ears differ by the time and level of the formulas', () => {
  expect(interauralTime(Math.PI / 2)).toBeCloseTo((0.0875 / 343) * (Math.PI / 2 + 1), 12);
  const [left, right] = interauralGains(Math.PI / 2);
  expect(20 * Math.log10(right / left)).toBeCloseTo(6, 10);
  for (const degrees of [-70, -20, 0, 35, 80]) {
    const [l, r] = renderBinaural(sine(440), rate, () => radians(degrees));
    const middle = (x: Float32Array) => x.subarray(800, 7200); // whole periods, away from the ends
    expect(20 * Math.log10(rms(middle(r)) / rms(middle(l)))).toBeCloseTo(6 * Math.sin(radians(degrees)), 2);
    // phase of 440 Hz at each ear
    const phase = (x: Float32Array): number => {
      let [re, im] = [0, 0];
      middle(x).forEach((value, n) => {
        re += value * Math.cos((2 * Math.PI * 440 * n) / rate);
        im += value * Math.sin((2 * Math.PI * 440 * n) / rate);
      });
      return Math.atan2(re, im);
    };
    expect((phase(r) - phase(l)) / (2 * Math.PI * 440)).toBeCloseTo(interauralTime(radians(degrees)), 6);
  }
});

const options = { sampleRate: rate, seconds: 4, speed: 30, frameRate: 5, size: [16, 32] } as const;

test('the disc stands where the sound comes from, in every picture', () => {
  const { frames, azimuths, audio } = renderScene(sine(500), 0.2, createRng(3), options);
  expect([audio.shape, frames.shape]).toEqual([
    [2, 64000],
    [20, 16, 32, 3],
  ]);
  azimuths.forEach((azimuth, t) => {
    let [mass, column] = [0, 0];
    for (let y = 0; y < 16; y++)
      for (let x = 0; x < 32; x++) {
        const value = frames.data[((t * 16 + y) * 32 + x) * 3]!;
        mass += value;
        column += value * (x + 0.5);
      }
    expect(column / mass).toBeCloseTo(((azimuth + Math.PI / 2) / Math.PI) * 32, 0);
    // and the level difference of a fifth of a second says the same side
    const [from, to] = [t * 3200, (t + 1) * 3200];
    const level =
      20 * Math.log10(rms(audio.data.subarray(64000 + from, 64000 + to)) / rms(audio.data.subarray(from, to)));
    expect(level).toBeCloseTo(6 * Math.sin(azimuth), 0);
  });
});

test('a scene is a function of its seed; without speed the source rests', () => {
  const make = (seed: number, speed = 30) => renderScene(sine(500), 0.2, createRng(seed), { ...options, speed });
  expect(make(1).audio).toEqual(make(1).audio);
  expect(make(1).audio.data).not.toEqual(make(2).audio.data);
  expect(new Set(make(1, 0).azimuths).size).toBe(1);
  const steps = [...make(1).azimuths].slice(1).map((phi, i) => Math.abs(phi - make(1).azimuths[i]!));
  expect(Math.max(...steps)).toBeCloseTo(radians(30 / 5), 5);
  expect(Math.max(...make(1, 200).azimuths)).toBeLessThanOrEqual(radians(80) + 1e-6);
});
