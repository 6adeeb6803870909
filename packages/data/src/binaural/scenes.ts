/**
 * Generated binaural scenes: a real recording that moves around the head, and pictures with a disc where it is. For the spatial pretext
 * tasks of Multi-SSL (arXiv 2201.01046), whose own data (OmniAudio) cannot be shipped. `sceneCard` says what they are and are not.
 */
import { ConfigError, type NdArray, type Rng } from '@unlabel/core';
import { renderBinaural } from './render.ts';

export interface SceneOptions {
  /** Hz of recordings and of the scene. */
  readonly sampleRate: number;
  readonly seconds: number;
  /** Degrees a second; 0 leaves the source where it is. The source turns back at ±80°. */
  readonly speed: number;
  /** Pictures a second. */
  readonly frameRate: number;
  /** Height and width of a picture in pixels. */
  readonly size: readonly [number, number];
}

export interface Scene {
  /** [2, N]: left, right, −1…1. */
  readonly audio: NdArray;
  /** [T, H, W, 3], 0…1: black, with a disc of the class's colour at the source. */
  readonly frames: NdArray;
  /** φ of each picture, in radians. */
  readonly azimuths: Float32Array;
  /** [2, N]: what a second pair of ears hears, turned by `turnedBy` to the right. */
  readonly turned: NdArray;
}

/** Degrees between the two pairs of ears. */
export const turnedBy = 30;

/** Widest azimuth in degrees, either side. */
const widest = 80;

/**
 * One scene. `recording` [N′] is repeated in grains of a fifth of a second at random places, so that its own course (attack, decay)
 * tells nothing of time; `kind` 0…1 is the disc's hue.
 */
export function renderScene(recording: Float32Array, kind: number, rng: Rng, options: SceneOptions): Scene {
  const { sampleRate, seconds, frameRate } = options;
  if (recording.length < 2) throw new ConfigError('renderScene: the recording has no samples.');
  const path = sourcePath(rng.fork('path'), options.speed);
  const mono = grains(recording, Math.round(seconds * sampleRate), sampleRate, rng.fork('grains'));
  const heard = (turn: number): NdArray => {
    const [left, right] = renderBinaural(mono, sampleRate, (t) => path(t) - (turn * Math.PI) / 180);
    const data = new Float32Array(2 * left.length);
    data.set(left);
    data.set(right, left.length);
    return { data, shape: [2, left.length] };
  };
  const count = Math.floor(seconds * frameRate);
  const azimuths = Float32Array.from({ length: count }, (_, t) => path((t + 0.5) / frameRate));
  return {
    audio: heard(0),
    frames: drawFrames(azimuths, kind, options.size),
    azimuths,
    turned: heard(turnedBy),
  };
}

/** φ(t): a triangle wave between ±80° from a random place and direction. */
function sourcePath(rng: Rng, speed: number): (seconds: number) => number {
  const start = rng.range(0, 4 * widest); // place in the period, both directions
  return (seconds) => {
    const at = (start + speed * seconds) % (4 * widest);
    const degrees = at < 2 * widest ? at - widest : 3 * widest - at;
    return (degrees * Math.PI) / 180;
  };
}

/** `length` samples of overlapping Hann grains of the recording, at an RMS of 0.1. */
function grains(recording: Float32Array, length: number, sampleRate: number, rng: Rng): Float32Array {
  const size = Math.max(2, Math.round(sampleRate / 5));
  const hop = Math.floor(size / 2);
  const out = new Float32Array(length);
  for (let at = -hop; at < length; at += hop) {
    const from = rng.int(recording.length);
    let energy = 0;
    for (let i = 0; i < size; i++) energy += recording[(from + i) % recording.length]! ** 2;
    const scale = 0.1 / Math.max(1e-6, Math.sqrt(energy / size)); // every grain as loud as every other
    for (let i = 0; i < size; i++) {
      if (at + i < 0 || at + i >= length) continue;
      const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size);
      out[at + i]! += scale * window * recording[(from + i) % recording.length]!;
    }
  }
  return out;
}

/** A disc at column (φ + 90°)/180°·W, half way up, its radius a sixth of the height. */
function drawFrames(azimuths: Float32Array, kind: number, [height, width]: readonly [number, number]): NdArray {
  const color = [0, 1 / 3, 2 / 3].map((shift) => 0.55 + 0.45 * Math.cos(2 * Math.PI * (kind - shift)));
  const data = new Float32Array(azimuths.length * height * width * 3);
  const radius = Math.max(1, height / 6);
  azimuths.forEach((azimuth, t) => {
    const column = ((azimuth + Math.PI / 2) / Math.PI) * width;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const distance = Math.hypot(x + 0.5 - column, y + 0.5 - height / 2);
        const inside = Math.min(1, Math.max(0, radius + 0.5 - distance)); // one pixel of soft edge
        if (inside > 0) color.forEach((value, c) => (data[((t * height + y) * width + x) * 3 + c] = inside * value));
      }
    }
  });
  return { data, shape: [azimuths.length, height, width, 3] };
}

/** The part of the suite `binaural`. */
export const scenesId = 'binaural-scenes';

/** What the generated scenes are, for whoever meets them. */
export const sceneCard = {
  title: 'Generated binaural scenes',
  what: 'Real recordings as grains of 0.2 s, rendered at a moving azimuth, with pictures of a disc at the source. Simulated: no room, no measured head, one source at a time, no street.',
  rendering: 'ITD 0.0875 m / 343 m/s · (φ + sin φ); 6 dB · sin φ between the ears; azimuth within ±80°.',
  licence: 'that of the recordings it is made from',
  use: 'To train and test spatial pretext tasks; results on it say nothing of streets or of OmniAudio.',
} as const;
