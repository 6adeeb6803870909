/**
 * Kaldi's filter-bank and MFCC features with the options, names and arithmetic of torchaudio.compliance.kaldi (fbank, mfcc,
 * get_mel_banks), which BEATs and AST are trained on. Output is [T, F], time first, as there. Legend: T frames, F bands.
 *
 * Per frame, in this order: subtract the mean → log energy → pre-emphasis (the first sample is its own predecessor) →
 * window → zeros up to the transform's length → |X| or |X|² → mel bank without the Nyquist bin → ln, floored at float32's
 * epsilon. Kaldi works on 16-bit sample values: scale −1…1 audio by 32768 first where a model was trained so.
 */
import { ConfigError, DataError, type NdArray, type Rng } from '@unlabel/core';
import { frameBands, pairBands } from './kaldi-bands.ts';
import { hzToMel, melToHz, sparseRows, type MelBank } from './mel.ts';
import { dctMatrix } from './dct.ts';
import { hasPairSpectrum } from './wasm/pair-spectrum.ts';
import { createWindow } from './window.ts';

export const kaldiWindows = ['povey', 'hanning', 'hamming', 'rectangular', 'blackman'] as const;

export interface KaldiFbankOptions {
  /** Hz; default 16000. */
  readonly sampleRate?: number;
  /** ms; default 25. */
  readonly frameLength?: number;
  /** ms; default 10. */
  readonly frameShift?: number;
  /** Default 23. */
  readonly nMels?: number;
  /** Hz; default 20. */
  readonly fMin?: number;
  /** Hz; 0 (default) or less is counted from the Nyquist frequency. */
  readonly fMax?: number;
  /** Default 'povey'. */
  readonly windowType?: (typeof kaldiWindows)[number];
  readonly blackmanCoeff?: number;
  /** Default 0.97. */
  readonly preemphasisCoefficient?: number;
  /** Default true: subtract each frame's mean. */
  readonly removeDcOffset?: boolean;
  /** Default true: transform length is the next power of two. */
  readonly roundToPowerOfTwo?: boolean;
  /** Default true: only whole frames. False: ⌊(N + shift/2)/shift⌋ frames, with the ends mirrored. */
  readonly snipEdges?: boolean;
  /** Default false: add a log-energy column, first, or last when `htkCompat`. */
  readonly useEnergy?: boolean;
  /** Default true: energy before pre-emphasis and window. */
  readonly rawEnergy?: boolean;
  /** Floor on the energy (not on the bands); default 1, and 0 for none. */
  readonly energyFloor?: number;
  readonly htkCompat?: boolean;
  /** Default true: ln; false: linear. */
  readonly useLogFbank?: boolean;
  /** Default true: |X|²; false: |X|. */
  readonly usePower?: boolean;
  /** Default false: subtract each band's mean over the clip. */
  readonly subtractMean?: boolean;
  /** Default 1: vocal-tract length is not warped. */
  readonly vtlnWarp?: number;
  /** Hz; default 100. */
  readonly vtlnLow?: number;
  /** Hz; negative is counted from the Nyquist frequency; default −500. */
  readonly vtlnHigh?: number;
  /** Standard deviation of noise added to each frame; needs `rng`. Default 0. */
  readonly dither?: number;
  readonly rng?: Rng;
  /** Seconds; shorter clips give no frame. Default 0. */
  readonly minDuration?: number;
}

export interface KaldiMfccOptions extends Omit<KaldiFbankOptions, 'useLogFbank' | 'usePower'> {
  /** Default 13, C0 included. */
  readonly nMfcc?: number;
  /** Default 22; 0 for none. */
  readonly cepstralLifter?: number;
}

/** float32's epsilon: the floor of what a logarithm is taken of. */
const EPSILON = 1.1920928955078125e-7;
const vtlnDefaults = { vtlnWarp: 1, vtlnLow: 100, vtlnHigh: -500 } as const;

const mel = (hz: number): number => hzToMel(hz, 'kaldi');

export interface KaldiBankOptions {
  readonly nMels: number;
  /** Length of the transform, even. */
  readonly nFft: number;
  readonly sampleRate: number;
  readonly fMin: number;
  readonly fMax: number;
  readonly vtlnWarp?: number;
  readonly vtlnLow?: number;
  readonly vtlnHigh?: number;
}

/**
 * Kaldi's mel bank over nFft/2 + 1 bins (the last, Nyquist's, has weight 0) and the bands' centre frequencies in Hz.
 * Triangles are straight over mel. @throws ConfigError for impossible bands.
 */
export function kaldiMelBank(options: KaldiBankOptions): { bank: MelBank; centers: Float64Array } {
  const { nMels, nFft, sampleRate, fMin } = options;
  const { vtlnWarp, vtlnLow } = { ...vtlnDefaults, ...options };
  const nyquist = sampleRate / 2;
  const fMax = options.fMax <= 0 ? options.fMax + nyquist : options.fMax;
  const givenHigh = options.vtlnHigh ?? vtlnDefaults.vtlnHigh;
  const vtlnHigh = givenHigh < 0 ? givenHigh + nyquist : givenHigh;
  if (!(Number.isInteger(nMels) && nMels > 3 && nMels <= 65536)) {
    throw new ConfigError(`kaldi: expected more than 3 mel bands, found ${nMels}. Set nMels.`);
  }
  if (!(fMin >= 0 && fMin < fMax && fMax <= nyquist)) {
    throw new ConfigError(`kaldi: expected 0 ≤ fMin < fMax ≤ ${nyquist} Hz, found ${fMin} and ${fMax}.`);
  }
  if (vtlnWarp !== 1 && !(fMin < vtlnLow && vtlnLow < vtlnHigh && vtlnHigh < fMax && vtlnWarp > 0)) {
    throw new ConfigError(
      `kaldi: expected fMin < vtlnLow < vtlnHigh < fMax, found ${fMin}, ${vtlnLow}, ${vtlnHigh}, ${fMax} Hz.`,
    );
  }
  const low = mel(fMin);
  const step = (mel(fMax) - low) / (nMels + 1);
  const edge = (i: number): number => {
    const plain = low + i * step;
    if (vtlnWarp === 1) return plain;
    return mel(warpHz(melToHz(plain, 'kaldi'), { fMin, fMax, vtlnWarp, vtlnLow, vtlnHigh }));
  };
  const bins = nFft / 2 + 1;
  const position = Float64Array.from({ length: bins }, (_, k) => mel((k * sampleRate) / nFft));
  const bank = sparseRows(nMels, bins, (m) => {
    const [left, middle, right] = [edge(m), edge(m + 1), edge(m + 2)];
    return (k) => {
      const x = position[k]!;
      if (k === bins - 1) return 0;
      const up = (x - left) / (middle - left);
      const down = (right - x) / (right - middle);
      if (vtlnWarp === 1) return Math.max(0, Math.min(up, down));
      return x > left && x <= middle ? up : x > middle && x < right ? down : 0; // warping may reorder the edges
    };
  });
  return { bank, centers: Float64Array.from({ length: nMels }, (_, m) => melToHz(edge(m + 1), 'kaldi')) };
}

/** Kaldi's piecewise linear warp of frequency: slope 1/warp between two inflection points, fixed at fMin and fMax. */
function warpHz(
  hz: number,
  options: { fMin: number; fMax: number; vtlnWarp: number; vtlnLow: number; vtlnHigh: number },
): number {
  const { fMin, fMax, vtlnWarp, vtlnLow, vtlnHigh } = options;
  const l = vtlnLow * Math.max(1, vtlnWarp);
  const h = vtlnHigh * Math.min(1, vtlnWarp);
  if (hz < fMin || hz > fMax) return hz;
  if (hz < l) return fMin + ((l / vtlnWarp - fMin) / (l - fMin)) * (hz - fMin);
  if (hz < h) return hz / vtlnWarp;
  return fMax + ((fMax - h / vtlnWarp) / (fMax - h)) * (hz - fMax);
}

/** Sample i of a clip whose ends are mirrored with the end sample repeated: … 1 0 | 0 1 2 … */
function mirrored(audio: Float32Array, i: number): number {
  const period = 2 * audio.length;
  const at = ((i % period) + period) % period;
  return audio[at < audio.length ? at : period - 1 - at]!;
}

export interface KaldiAnalyzer {
  /** Columns of the output. */
  readonly width: number;
  readonly shift: number;
  framesOf(samples: number): number;
  /** audio [N] → [T, width]. A clip shorter than a frame is completed with zeros to one frame. */
  apply(audio: Float32Array): NdArray;
}

/** Everything that does not depend on the audio, made once. @throws ConfigError for options that cannot be used. */
export function kaldiFbankAnalyzer(options: KaldiFbankOptions = {}): KaldiAnalyzer {
  const { sampleRate = 16000, frameLength = 25, frameShift = 10, nMels = 23, fMin = 20, fMax = 0 } = options;
  const { windowType = 'povey', blackmanCoeff = 0.42, preemphasisCoefficient = 0.97 } = options;
  const { removeDcOffset = true, roundToPowerOfTwo = true, snipEdges = true, subtractMean = false } = options;
  const { useEnergy = false, rawEnergy = true, energyFloor = 1, htkCompat = false } = options;
  const { useLogFbank = true, usePower = true, dither = 0, rng, minDuration = 0 } = options;
  const shift = Math.trunc(sampleRate * frameShift * 0.001);
  const size = Math.trunc(sampleRate * frameLength * 0.001);
  const nFft = roundToPowerOfTwo ? 2 ** Math.ceil(Math.log2(size)) : size;
  if (!(size >= 2 && shift >= 1 && size <= 1 << 22)) {
    throw new ConfigError(
      `kaldi: a frame of ${size} samples every ${shift} is impossible. Set frameLength and frameShift.`,
    );
  }
  if (nFft % 2 !== 0) {
    throw new ConfigError(`kaldi: a frame of ${size} samples is odd. Set roundToPowerOfTwo, or another frameLength.`);
  }
  if (!(preemphasisCoefficient >= 0 && preemphasisCoefficient <= 1)) {
    throw new ConfigError(`kaldi: preemphasisCoefficient must lie in 0…1, found ${preemphasisCoefficient}.`);
  }
  if (dither !== 0 && rng === undefined)
    throw new ConfigError('kaldi: dither needs a random generator. Give rng, or dither 0.');
  const name = windowType === 'hanning' ? 'hann' : windowType === 'rectangular' ? 'rect' : windowType;
  const window = createWindow(name, size, { periodic: false, blackmanCoeff });
  const { bank } = kaldiMelBank({ ...vtlnDefaults, ...options, nMels, nFft, sampleRate, fMin, fMax });
  const width = nMels + (useEnergy ? 1 : 0);
  const firstBand = useEnergy && !htkCompat ? 1 : 0;
  const energyColumn = htkCompat ? nMels : 0;
  const front = Math.floor(size / 2) - Math.floor(shift / 2); // samples mirrored in front when the edges stay

  const framesOf = (samples: number): number => {
    if (samples < 1) throw new DataError('kaldi: the clip is empty; expected at least one sample.');
    if (samples < minDuration * sampleRate) return 0;
    if (snipEdges) return 1 + Math.floor((Math.max(samples, size) - size) / shift);
    return Math.floor((Math.max(samples, size) + Math.floor(shift / 2)) / shift);
  };
  const logEnergy = (frame: Float64Array): number => {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += frame[i]! * frame[i]!;
    const energy = Math.log(Math.max(sum, EPSILON));
    return energyFloor === 0 ? energy : Math.max(energy, Math.log(energyFloor));
  };

  /** Writes windowed frame t of the audio; returns its log energy, 0 without `useEnergy`. */
  const readFrame = (audio: Float32Array, t: number, frame: Float64Array): number => {
    const start = t * shift - (snipEdges ? 0 : front);
    if (start >= 0 && start + size <= audio.length) for (let i = 0; i < size; i++) frame[i] = audio[start + i]!;
    else for (let i = 0; i < size; i++) frame[i] = mirrored(audio, start + i);
    if (dither !== 0) for (let i = 0; i < size; i++) frame[i]! += dither * rng!.normal();
    if (removeDcOffset) {
      let mean = 0;
      for (let i = 0; i < size; i++) mean += frame[i]!;
      mean /= size;
      for (let i = 0; i < size; i++) frame[i]! -= mean;
    }
    const energy = useEnergy && rawEnergy ? logEnergy(frame) : 0;
    for (let i = size - 1; i >= 0; i--) {
      frame[i] = (frame[i]! - preemphasisCoefficient * frame[i === 0 ? 0 : i - 1]!) * window[i]!;
    }
    return useEnergy && !rawEnergy ? logEnergy(frame) : energy;
  };
  const bandsOf = (hasPairSpectrum(nFft) ? pairBands : frameBands)({ bank, nFft, size, usePower });

  return {
    width,
    shift,
    framesOf,
    apply(clip) {
      const frames = framesOf(clip.length);
      let audio = clip;
      if (clip.length < size) {
        audio = new Float32Array(size);
        audio.set(clip);
      }
      const data = new Float32Array(frames * width);
      bandsOf(
        frames,
        (t, frame) => {
          const energy = readFrame(audio, t, frame);
          if (useEnergy) data[t * width + energyColumn] = energy;
        },
        (t, bands, first, step) => {
          const row = t * width + firstBand;
          for (let m = 0, at = first; m < nMels; m++, at += step) {
            data[row + m] = useLogFbank ? Math.log(Math.max(bands[at]!, EPSILON)) : bands[at]!;
          }
        },
      );
      if (subtractMean) subtractColumnMeans(data, frames, width);
      return { data, shape: [frames, width] };
    },
  };
}

function subtractColumnMeans(data: Float32Array, rows: number, columns: number): void {
  for (let c = 0; c < columns; c++) {
    let mean = 0;
    for (let t = 0; t < rows; t++) mean += data[t * columns + c]!;
    mean /= Math.max(1, rows);
    for (let t = 0; t < rows; t++) data[t * columns + c]! -= mean;
  }
}

/** audio [N] → filter banks [T, F]. See `kaldiFbankAnalyzer` for many clips. */
export function kaldiFbank(audio: Float32Array, options: KaldiFbankOptions = {}): NdArray {
  return kaldiFbankAnalyzer(options).apply(audio);
}

/**
 * audio [N] → cepstra [T, nMfcc]: the orthonormal DCT-II of the log bands (C0 weighted √(1/F)), then a sine lifter. With
 * `useEnergy` the log energy takes C0's place; `htkCompat` moves C0 to the end, times √2 unless it is the energy.
 */
export function kaldiMfcc(audio: Float32Array, options: KaldiMfccOptions = {}): NdArray {
  const { nMfcc = 13, cepstralLifter = 22, nMels = 23, useEnergy = false, htkCompat = false } = options;
  if (!(Number.isInteger(nMfcc) && nMfcc >= 1 && nMfcc <= nMels)) {
    throw new ConfigError(`kaldi: nMfcc must be an integer in 1…${nMels}, found ${nMfcc}.`);
  }
  const { data: bands, shape } = kaldiFbank(audio, { ...options, subtractMean: false });
  const [frames = 0, width = 0] = shape;
  const firstBand = useEnergy && !htkCompat ? 1 : 0;
  const dct = dctMatrix(nMfcc, nMels);
  const lifter = Float64Array.from({ length: nMfcc }, (_, c) =>
    cepstralLifter === 0 ? 1 : 1 + (cepstralLifter / 2) * Math.sin((Math.PI * c) / cepstralLifter),
  );
  const data = new Float32Array(frames * nMfcc);
  for (let t = 0; t < frames; t++) {
    for (let c = 0; c < nMfcc; c++) {
      let sum = 0;
      for (let m = 0; m < nMels; m++) sum += dct[c * nMels + m]! * bands[t * width + firstBand + m]!;
      let value = sum * lifter[c]!;
      if (c === 0 && useEnergy) value = bands[t * width + (htkCompat ? nMels : 0)]!;
      else if (c === 0 && htkCompat) value *= Math.SQRT2;
      data[t * nMfcc + (htkCompat ? (c + nMfcc - 1) % nMfcc : c)] = value;
    }
  }
  if (options.subtractMean) subtractColumnMeans(data, frames, nMfcc);
  return { data, shape: [frames, nMfcc] };
}
