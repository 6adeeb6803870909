/**
 * Cutting audio into windowed frames: centred frames with padding at both ends as torch.stft and librosa.stft take them, or
 * plain frames. Nothing is copied but the frame itself; the padding is computed where a frame hangs over an end.
 */
import { ConfigError, DataError } from '@unlabel/core';
import { createWindow, type WindowName, type WindowOptions } from './window.ts';

export const padModes = ['reflect', 'constant', 'replicate', 'circular'] as const;
export type PadMode = (typeof padModes)[number];

export interface FrameOptions {
  /** Samples in a frame. */
  readonly nFft: number;
  /** Samples under the window, ≤ nFft; a shorter window sits in the middle of the frame. Default nFft. */
  readonly winLength?: number;
  /** Samples between frames. Default ⌊winLength / 4⌋. */
  readonly hopLength?: number;
  /** A name, or winLength samples. Default the periodic Hann window. */
  readonly window?: WindowName | Float64Array;
  readonly windowOptions?: WindowOptions;
  /** Default true: frame t is centred on sample t·hopLength, with ⌊nFft/2⌋ samples of padding at both ends. */
  readonly center?: boolean;
  /** Default 'reflect' (torch, librosa < 0.10); librosa ≥ 0.10 pads with zeros: 'constant'. */
  readonly padMode?: PadMode;
  /** Zeros put on both ends first (torchaudio's `pad`). Default 0. */
  readonly pad?: number;
}

export interface FramePlan {
  readonly nFft: number;
  readonly hopLength: number;
  readonly center: boolean;
  /** Window in the middle of nFft samples. */
  readonly window: Float64Array;
  /** Frames that a clip of so many samples gives. */
  framesOf(samples: number): number;
  /** Write windowed frame t of a clip into out[0 … nFft). */
  read(audio: Float32Array, frame: number, out: Float64Array): void;
  /** Write `count` samples from the first of frame t on, padding included but not windowed, into out[at …]. */
  copy(audio: Float32Array, frame: number, count: number, out: Float32Array, at: number): void;
}

const centred = new Map<string, Float64Array>();

/** The window in the middle of a frame, as torch.stft places it. */
function centredWindow(options: FrameOptions, winLength: number): Float64Array {
  const { nFft, window = 'hann', windowOptions = {} } = options;
  const isNamed = typeof window === 'string';
  const key = isNamed ? `${window}:${nFft}:${winLength}:${JSON.stringify(windowOptions)}` : '';
  const held = centred.get(key);
  if (held) return held;
  const samples = isNamed ? createWindow(window, winLength, windowOptions) : window;
  if (samples.length !== winLength) {
    throw new ConfigError(
      `stft: the window has ${samples.length} samples, winLength is ${winLength}. Make them equal.`,
    );
  }
  const padded = new Float64Array(nFft);
  padded.set(samples, Math.floor((nFft - winLength) / 2));
  if (isNamed) centred.set(key, padded);
  return padded;
}

/** Index into n samples of position i outside them, or −1 for a zero. */
function paddedIndex(i: number, n: number, mode: PadMode): number {
  if (i >= 0 && i < n) return i;
  if (mode === 'constant') return -1;
  if (mode === 'replicate') return i < 0 ? 0 : n - 1;
  if (mode === 'circular') return ((i % n) + n) % n;
  if (n === 1) return 0;
  const period = 2 * (n - 1);
  const folded = ((i % period) + period) % period;
  return folded < n ? folded : period - folded;
}

/**
 * How to cut audio into frames. Audio too short for one frame is completed with zeros at its end: to nFft samples without
 * centring, and to ⌊nFft/2⌋ + 1 samples when reflected (a reflection needs more samples than it adds; torch and librosa
 * refuse such clips).
 * @throws ConfigError for impossible lengths.
 */
export function framePlan(options: FrameOptions): FramePlan {
  const { nFft, winLength = nFft, center = true, padMode = 'reflect', pad = 0 } = options;
  const hopLength = options.hopLength ?? Math.max(1, Math.floor(winLength / 4));
  for (const [name, value, low, high] of [
    ['nFft', nFft, 1, 1 << 24],
    ['winLength', winLength, 1, nFft],
    ['hopLength', hopLength, 1, 1 << 30],
    ['pad', pad, 0, 1 << 30],
  ] as const) {
    if (!(Number.isInteger(value) && value >= low && value <= high)) {
      throw new ConfigError(`stft: ${name} must be an integer in ${low}…${high}, found ${value}.`);
    }
  }
  const window = centredWindow(options, winLength);
  const margin = center ? Math.floor(nFft / 2) : 0;
  const shortest = center ? (padMode === 'reflect' ? margin + 1 : 1) : nFft;
  const lengthOf = (samples: number): number => Math.max(samples + 2 * pad, shortest);
  /** Sample i of the clip with its padding around it. */
  const sampleAt = (audio: Float32Array, i: number): number => {
    const at = paddedIndex(i + pad, lengthOf(audio.length), padMode) - pad; // into the audio without its zeros
    return at >= 0 && at < audio.length ? audio[at]! : 0;
  };
  return {
    nFft,
    hopLength,
    center,
    window,
    framesOf(samples) {
      if (samples < 1) throw new DataError('stft: the clip is empty; expected at least one sample.');
      return 1 + Math.floor((lengthOf(samples) + 2 * margin - nFft) / hopLength);
    },
    read(audio, frame, out) {
      const start = frame * hopLength - margin - pad;
      if (start >= 0 && start + nFft <= audio.length) {
        for (let i = 0; i < nFft; i++) out[i] = audio[start + i]! * window[i]!;
        return;
      }
      for (let i = 0; i < nFft; i++) out[i] = sampleAt(audio, start + i) * window[i]!;
    },
    copy(audio, frame, count, out, at) {
      const start = frame * hopLength - margin - pad;
      const from = Math.max(0, Math.min(start, audio.length));
      const to = Math.max(from, Math.min(audio.length, start + count));
      if (to > from) out.set(audio.subarray(from, to), at + from - start);
      for (let i = 0; i < count; i++) {
        if (start + i === from && to > from) i += to - from;
        if (i < count) out[at + i] = sampleAt(audio, start + i);
      }
    },
  };
}
