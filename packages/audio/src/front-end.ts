/**
 * Front-ends as data: what turns mono audio into a backbone's input, as a value that a checkpoint or a configuration file can
 * hold. `createFrontEnd` makes the function; `frontEnds` names the ones that methods were trained with.
 * Shape letters: F bands (or coefficients), T frames.
 */
import { ConfigError, DataError, parseConfig, type NdArray } from '@unlabel/core';
import { z } from 'zod';
import { framePlan, padModes } from './frames.ts';
import { kaldiFbankAnalyzer, kaldiWindows } from './kaldi-fbank.ts';
import { melAnalyzer } from './log-mel.ts';
import { logPower } from './log-power.ts';
import { melPhaseAnalyzer } from './mel-phase.ts';
import { melScales } from './mel.ts';
import { cepstra } from './mfcc.ts';
import { normalizeClip, normalizeFixed, normalizeL2, normalizeMinMax } from './normalize.ts';
import { windowNames } from './window.ts';

const hz = z.number().positive();
const samples = z.int().positive();

/** What the waveform goes through first; each over the whole clip given. */
const waveformSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** x·gain; Kaldi front-ends trained on 16-bit values want 32768. */
  z.strictObject({ kind: z.literal('gain'), gain: z.number() }),
  /** (x − mean)/√(var + eps) by the clip's own statistics. */
  z.strictObject({ kind: z.literal('clip'), eps: z.number().min(0).default(1e-5) }),
  /** (x − mean)/std by fixed statistics. */
  z.strictObject({ kind: z.literal('fixed'), mean: z.number(), std: z.number().positive() }),
  /** x/‖x‖₂. */
  z.strictObject({ kind: z.literal('l2'), eps: z.number().min(0).default(1e-9) }),
  /** x − mean(x). */
  z.strictObject({ kind: z.literal('zero-mean') }),
  /** x·level/max(RMS(x), 1e-5·level). */
  z.strictObject({ kind: z.literal('rms'), level: z.number().positive().default(0.1) }),
]);

/** What the features go through last. */
const normalizeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('fixed'), mean: z.number(), std: z.number().positive() }),
  /** 2(x − min)/(max − min) − 1. */
  z.strictObject({ kind: z.literal('min-max'), min: z.number(), max: z.number() }),
  z.strictObject({ kind: z.literal('clip'), eps: z.number().min(0).default(1e-5) }),
]);

const logSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('ln'), offset: z.number().min(0).default(1.1920928955078125e-7) }),
  z.strictObject({
    kind: z.literal('ln-clip'),
    floor: z.number().positive(),
    ceiling: z.number().positive().default(1e30),
  }),
  z.strictObject({ kind: z.literal('db-offset'), offset: z.number().min(0) }),
  z.strictObject({
    kind: z.literal('db'),
    amin: z.number().positive().default(1e-10),
    ref: z.union([z.literal('max'), z.number().positive()]).default(1),
    topDb: z.number().min(0).nullable().default(80),
    factor: z.union([z.literal(10), z.literal(20)]).default(10),
  }),
]);

const spectral = {
  sampleRate: hz.default(16000).meta({ unit: 'Hz' }),
  nFft: samples.default(1024),
  winLength: samples.optional(),
  hopLength: samples.default(160),
  window: z.enum(windowNames).default('hann'),
  center: z.boolean().default(true),
  padMode: z.enum(padModes).default('reflect'),
  nMels: samples.default(64),
  fMin: z.number().min(0).default(60).meta({ unit: 'Hz' }),
  fMax: hz.default(7800).meta({ unit: 'Hz' }),
  melScale: z.enum(melScales).default('htk'),
  melNorm: z.enum(['none', 'slaney']).default('none'),
  triangles: z.enum(['hz', 'mel']).default('hz'),
  power: z.number().positive().default(2),
  powerOffset: z.number().min(0).default(0),
  waveform: waveformSchema.default({ kind: 'none' }),
  normalize: normalizeSchema.default({ kind: 'none' }),
};

export const frontEndSchema = z.discriminatedUnion('kind', [
  /** BYOL-A's values are the defaults: [nMels, T]. */
  z.strictObject({
    kind: z.literal('log-mel'),
    ...spectral,
    log: logSchema.default({ kind: 'ln', offset: 1.1920928955078125e-7 }),
  }),
  /** MT-SLVR's channels one above the other, [3·nMels, T]: log-mel, and log amplitude and phase of a mel-projected spectrum. */
  z.strictObject({
    kind: z.literal('mel-phase'),
    ...spectral,
    offset: z.number().min(0).default(2.220446049250313e-16),
  }),
  /** [nMfcc, T]. */
  z.strictObject({
    kind: z.literal('mfcc'),
    ...spectral,
    nMfcc: samples.default(20),
    lifter: z.number().min(0).default(0),
    dctNorm: z.enum(['ortho', 'none']).default('ortho'),
    log: logSchema.default({ kind: 'db', amin: 1e-10, ref: 1, topDb: 80, factor: 10 }),
  }),
  /** Kaldi's bands, transposed to [nMels, T]. */
  z.strictObject({
    kind: z.literal('kaldi-fbank'),
    sampleRate: hz.default(16000).meta({ unit: 'Hz' }),
    frameLength: z.number().positive().default(25).meta({ unit: 'ms' }),
    frameShift: z.number().positive().default(10).meta({ unit: 'ms' }),
    nMels: samples.default(128),
    fMin: z.number().min(0).default(20).meta({ unit: 'Hz' }),
    fMax: z.number().default(0).meta({ unit: 'Hz' }),
    windowType: z.enum(kaldiWindows).default('povey'),
    preemphasisCoefficient: z.number().min(0).max(1).default(0.97),
    removeDcOffset: z.boolean().default(true),
    snipEdges: z.boolean().default(true),
    useEnergy: z.boolean().default(false),
    htkCompat: z.boolean().default(false),
    usePower: z.boolean().default(true),
    waveform: waveformSchema.default({ kind: 'gain', gain: 32768 }),
    normalize: normalizeSchema.default({ kind: 'none' }),
  }),
  /** Every bin of the spectrum, ln max(|X|², floor): [nFft/2 + 1, T]. */
  z.strictObject({
    kind: z.literal('log-power'),
    sampleRate: hz.default(16000).meta({ unit: 'Hz' }),
    nFft: samples.default(512),
    winLength: samples.default(400),
    hopLength: samples.default(160),
    floor: z.number().positive().default(1e-5),
    waveform: waveformSchema.default({ kind: 'none' }),
    normalize: normalizeSchema.default({ kind: 'none' }),
  }),
  /** The samples themselves: [1, N]. */
  z.strictObject({
    kind: z.literal('waveform'),
    sampleRate: hz.default(16000).meta({ unit: 'Hz' }),
    waveform: waveformSchema.default({ kind: 'none' }),
  }),
]);

/** As written: defaults may be left out. */
export type FrontEndInput = z.input<typeof frontEndSchema>;
/** With every default filled in. */
export type FrontEndConfig = z.output<typeof frontEndSchema>;

export interface FrontEnd {
  readonly config: FrontEndConfig;
  /** Hz that the audio must have. */
  readonly sampleRate: number;
  /** F of the output. */
  readonly bands: number;
  /** Seconds between frames. */
  readonly hopSeconds: number;
  /** T for a clip of so many samples. */
  framesOf(samples: number): number;
  /**
   * audio [N] → [F, T]. The audio is not changed. Clips too short for one frame are completed with zeros (see `framePlan`).
   * @throws DataError for an empty clip
   */
  apply(audio: Float32Array): NdArray;
}

/** The named front-ends, each the values its published models were trained with. */
export const frontEnds = {
  /** DeLoRes-S/M and the LAPE toolkit: librosa's Slaney bank, reflected edges (librosa < 0.10). */
  delores: {
    kind: 'log-mel',
    melScale: 'slaney',
    melNorm: 'slaney',
    powerOffset: 2.22e-16,
    log: { kind: 'ln', offset: 1.19209e-7 },
  },
  /** BYOL-A: torchaudio's HTK bank. Statistics are the data set's: set `normalize`. */
  'byol-a': { kind: 'log-mel' },
  /** BYOL-S and its family: a window of 400 samples in frames of 1024. */
  'byol-s': { kind: 'log-mel', winLength: 400 },
  /** Audio Barlow Twins, with AudioSet's statistics. */
  'audio-barlow-twins': { kind: 'log-mel', normalize: { kind: 'fixed', mean: -0.8294, std: 4.623 } },
  /** ATST Clip and Frame: 80 dB below the clip's maximum, AudioSet's range to −1 … 1. */
  atst: { kind: 'log-mel', log: { kind: 'db' }, normalize: { kind: 'min-max', min: -79.6482, max: 50.6842 } },
  /** MT-SLVR's first channel. */
  'mt-slvr': {
    kind: 'log-mel',
    hopLength: 512,
    nMels: 128,
    fMin: 0,
    fMax: 8000,
    log: { kind: 'db-offset', offset: 2.220446049250313e-16 },
  },
  /** MT-SLVR's three channels, of a clip brought to mean 0 and deviation 1 as its evaluation does. */
  'mt-slvr-3': {
    kind: 'mel-phase',
    hopLength: 512,
    nMels: 128,
    fMin: 0,
    fMax: 8000,
    waveform: { kind: 'clip', eps: 1e-12 },
  },
  /** Equivariant tempo estimation: 44.1 kHz, 100 frames a second. */
  tempo: {
    kind: 'log-mel',
    sampleRate: 44100,
    nFft: 2048,
    hopLength: 441,
    nMels: 81,
    fMin: 30,
    fMax: 17000,
    power: 1,
    log: { kind: 'ln', offset: 1e-7 },
  },
  /** BEATs: Kaldi bands of 16-bit values; the target standard deviation is 0.5. */
  beats: { kind: 'kaldi-fbank', normalize: { kind: 'fixed', mean: 15.41663, std: 13.11164 } },
  /** Audio spectrogram transformer: Hann window, no gain, AudioSet's statistics over twice their deviation. */
  ast: {
    kind: 'kaldi-fbank',
    windowType: 'hanning',
    waveform: { kind: 'zero-mean' },
    normalize: { kind: 'fixed', mean: -4.2677393, std: 9.1379492 },
  },
  /** librosa.feature.mfcc's defaults at 16 kHz. */
  'librosa-mfcc': {
    kind: 'mfcc',
    nFft: 2048,
    hopLength: 512,
    nMels: 128,
    fMin: 0,
    fMax: 8000,
    melScale: 'slaney',
    melNorm: 'slaney',
    padMode: 'constant',
  },
  /** The network of binaural scenes, of one ear: brought to an RMS of 0.1. */
  binaural: { kind: 'log-power', sampleRate: 48000, waveform: { kind: 'rms' } },
  /** WavLM and wav2vec 2.0 base: 16 kHz samples as they are. */
  waveform: { kind: 'waveform' },
} as const satisfies Readonly<Record<string, FrontEndInput>>;

export type FrontEndName = keyof typeof frontEnds;

type WaveformStep = z.output<typeof waveformSchema>;
type NormalizeStep = z.output<typeof normalizeSchema>;

function prepared(audio: Float32Array, step: WaveformStep): Float32Array {
  switch (step.kind) {
    case 'none':
      return audio;
    case 'gain':
      return audio.map((x) => x * step.gain);
    case 'clip':
      return normalizeClip(audio.slice(), step.eps);
    case 'fixed':
      return normalizeFixed(audio.slice(), step.mean, step.std);
    case 'l2':
      return normalizeL2(audio.slice(), step.eps);
    case 'zero-mean': {
      let mean = 0;
      for (let i = 0; i < audio.length; i++) mean += audio[i]!;
      mean /= audio.length;
      return audio.map((x) => x - mean);
    }
    case 'rms': {
      let energy = 0;
      for (let i = 0; i < audio.length; i++) energy += audio[i]! ** 2;
      const factor = step.level / Math.max(1e-5 * step.level, Math.sqrt(energy / audio.length));
      return audio.map((x) => factor * x);
    }
  }
}

function normalized(features: NdArray, step: NormalizeStep): NdArray {
  if (step.kind === 'fixed') normalizeFixed(features.data, step.mean, step.std);
  else if (step.kind === 'min-max') normalizeMinMax(features.data, step.min, step.max);
  else if (step.kind === 'clip') normalizeClip(features.data, step.eps);
  return features;
}

function transposed({ data, shape }: NdArray): NdArray {
  const [rows = 0, columns = 0] = shape;
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { data: out, shape: [columns, rows] };
}

interface Core {
  readonly bands: number;
  readonly hopSeconds: number;
  framesOf(samples: number): number;
  features(audio: Float32Array): NdArray;
}

function coreOf(config: FrontEndConfig): Core {
  const { sampleRate } = config;
  switch (config.kind) {
    case 'log-mel':
    case 'mfcc': {
      const { winLength, ...rest } = config;
      const analyzer = melAnalyzer(winLength === undefined ? rest : { ...rest, winLength }, config.log);
      return {
        bands: config.kind === 'mfcc' ? config.nMfcc : config.nMels,
        hopSeconds: config.hopLength / sampleRate,
        framesOf: (n) => analyzer.framesOf(n),
        features: (audio) => (config.kind === 'mfcc' ? cepstra(analyzer.apply(audio), config) : analyzer.apply(audio)),
      };
    }
    case 'mel-phase': {
      const { winLength, offset, ...rest } = config;
      const analyzer = melPhaseAnalyzer(winLength === undefined ? rest : { ...rest, winLength }, offset);
      return {
        bands: 3 * config.nMels,
        hopSeconds: config.hopLength / sampleRate,
        framesOf: (n) => analyzer.framesOf(n),
        features: (audio) => analyzer.apply(audio),
      };
    }
    case 'kaldi-fbank': {
      const analyzer = kaldiFbankAnalyzer(config);
      return {
        bands: analyzer.width,
        hopSeconds: analyzer.shift / sampleRate,
        framesOf: (n) => analyzer.framesOf(n),
        features: (audio) => transposed(analyzer.apply(audio)),
      };
    }
    case 'log-power': {
      const { nFft, winLength, hopLength, floor } = config;
      const plan = framePlan({ nFft, winLength, hopLength });
      return {
        bands: nFft / 2 + 1,
        hopSeconds: hopLength / sampleRate,
        framesOf: (n) => plan.framesOf(n),
        features: (audio) => logPower(audio, { nFft, winLength, hopLength }, floor),
      };
    }
    case 'waveform':
      return {
        bands: 1,
        hopSeconds: 1 / sampleRate,
        framesOf: (n) => n,
        features: (audio) => ({
          data: config.waveform.kind === 'none' ? audio.slice() : audio,
          shape: [1, audio.length],
        }),
      };
  }
}

/**
 * The function of a front-end, with its tables made.
 * @throws ConfigError for a configuration that does not parse or cannot be used
 */
export function createFrontEnd(input: FrontEndInput): FrontEnd {
  const config = parseConfig(frontEndSchema, input, 'front-end');
  if (config.kind === 'mfcc' && config.nMfcc > config.nMels) {
    throw new ConfigError(
      `front-end: nMfcc ${config.nMfcc} exceeds nMels ${config.nMels}. Lower it, or add mel bands.`,
    );
  }
  const core = coreOf(config);
  return {
    config,
    sampleRate: config.sampleRate,
    bands: core.bands,
    hopSeconds: core.hopSeconds,
    framesOf: (n) => core.framesOf(n),
    apply(audio) {
      if (audio.length === 0) throw new DataError('front-end: the clip is empty; expected at least one sample.');
      const features = core.features(prepared(audio, config.waveform));
      return config.kind === 'waveform' ? features : normalized(features, config.normalize);
    },
  };
}
