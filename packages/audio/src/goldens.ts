/** Golden targets of this package: front-end numbers of torchaudio, librosa and torch, for any arguments of those calls. */
import { DataError, type GoldenOutputs, type GoldenTargets, type NdArray } from '@unlabel/core';
import { z } from 'zod';
import {
  bankOptions,
  kaldiOptions,
  librosaMelOptions,
  readCases,
  textArgs,
  torchMelOptions,
  windowArgs,
  type GoldenCase,
} from './golden-args.ts';
import { createFrontEnd } from './front-end.ts';
import { kaldiFbank, kaldiMelBank, kaldiMfcc } from './kaldi-fbank.ts';
import { applyLog, logMel, melSpectrogram, powerToDb, type LogOptions } from './log-mel.ts';
import { denseMelBank, melBank } from './mel.ts';
import { librosaMfcc, mfcc, torchaudioLogMels } from './mfcc.ts';
import { normalizeMinMax } from './normalize.ts';
import { resample } from './resample.ts';
import { istft, stft, type StftOptions } from './stft.ts';
import { createWindow } from './window.ts';

const FLOAT32_EPSILON = 1.1920928955078125e-7;
/** Range of log-mels in dB over AudioSet, as ATST normalises them. */
const ATST_DB = [-79.6482, 50.6842] as const;

/** 'none' | 'log_eps' | 'log_1e-7' | 'dB' | 'dB60' | 'atst' → the values after it. */
function postProcessed(mel: NdArray, post: string): NdArray {
  const log = /^log_(eps|[\d.e+-]+)$/.exec(post);
  const decibels = /^dB(\d*)$/.exec(post);
  if (log) applyLog(mel.data, { kind: 'ln', offset: log[1] === 'eps' ? FLOAT32_EPSILON : Number(log[1]) });
  else if (decibels) powerToDb(mel.data, { topDb: Number(decibels[1] || 80) });
  else if (post === 'atst') normalizeMinMax(powerToDb(mel.data), ...ATST_DB);
  else if (post !== 'none') throw new DataError(`golden: post-processing '${post}' is not known.`);
  return mel;
}

const torchMfccSchema = z.object({
  sample_rate: z.number().default(16000),
  n_mfcc: z.int().default(40),
  norm: z.enum(['ortho']).nullable().default('ortho'),
  log_mels: z.boolean().default(false),
  melkwargs: z.record(z.string(), z.unknown()).default({}),
});

function torchMfcc(audio: Float32Array, args: unknown): NdArray {
  const a = torchMfccSchema.parse(args);
  const mel = torchMelOptions({ sample_rate: a.sample_rate, ...a.melkwargs });
  const log: LogOptions = a.log_mels ? torchaudioLogMels : { kind: 'db' };
  return mfcc(audio, { ...mel, nMfcc: a.n_mfcc, log, dctNorm: a.norm ?? 'none' });
}

/** Numbers of a formula such as `log(mel @ (|stft|^2 + 2.22e-16) + 1.19e-7)`. */
const LOG_FORMULA = /log\(.*\|stft\|\^(\d+) \+ ([\d.e-]+)\) \+ ([\d.e-]+)\)/;

function transposed(matrix: NdArray): NdArray {
  const [rows = 0, columns = 0] = matrix.shape;
  const data = new Float32Array(matrix.data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[j * rows + i] = matrix.data[i * columns + j]!;
  return { data, shape: [columns, rows] };
}

const goldenMel: GoldenTargets[string] = {
  run(golden, tools) {
    const { cases, audioOf } = readCases(golden, tools);
    const outputs: Record<string, NdArray> = {};
    const sampleRate = z.object({ input: z.object({ sr: z.number() }) }).parse(golden.cases?.[0]).input.sr;
    const base = cases.find((one) => one.fn === 'torchaudio.transforms.MelSpectrogram')?.args ?? {};
    let previous: NdArray | undefined;
    for (const one of cases) {
      previous = melCase(one, { audio: audioOf(one), sampleRate, base, previous });
      outputs[one.name] = previous;
    }
    return outputs;
  },
};

interface MelContext {
  readonly audio: Float32Array;
  readonly sampleRate: number;
  /** Arguments of the golden's first MelSpectrogram: what later cases mean by its name. */
  readonly base: Readonly<Record<string, unknown>>;
  readonly previous: NdArray | undefined;
}

function melCase(one: GoldenCase, context: MelContext): NdArray {
  const { audio, sampleRate, base, previous } = context;
  const { fn = '', args } = one;
  const ownArgs = Object.keys(args).length > 0 ? args : base;
  const formula = LOG_FORMULA.exec(fn);
  if (formula) {
    const [power = 2, powerOffset = 0, offset = 0] = formula.slice(1).map(Number);
    return logMel(audio, { ...librosaMelOptions(args, sampleRate), power, powerOffset }, { kind: 'ln', offset });
  }
  if (fn.startsWith('librosa.power_to_db')) {
    if (previous === undefined) throw new DataError(`golden: ${one.name} has no case before it.`);
    const {
      ref = 1,
      top_db: topDb = 80,
      amin = 1e-10,
    } = z
      .object({ ref: z.union([z.literal('max'), z.number()]), top_db: z.number().nullable(), amin: z.number() })
      .partial()
      .parse({ ...textArgs(fn.replace('np.max', 'max')), ...args });
    return { data: powerToDb(previous.data.slice(), { ref, topDb, amin }), shape: previous.shape };
  }
  if (fn.startsWith('librosa.feature.mfcc')) {
    const call = z
      .looseObject({
        sr: z.number().default(sampleRate),
        n_mfcc: z.int().default(20),
        lifter: z.number().default(0),
        norm: z.enum(['ortho']).nullable().default('ortho'),
      })
      .parse({ ...textArgs(fn), ...args });
    const { norm, n_mfcc: nMfcc, lifter, ...mel } = call;
    const options = { ...librosaMfcc, ...librosaMelOptions(mel, sampleRate) };
    return mfcc(audio, { ...options, nMfcc, lifter, dctNorm: norm ?? 'none' });
  }
  if (fn.startsWith('librosa.feature.melspectrogram'))
    return melSpectrogram(audio, librosaMelOptions(args, sampleRate));
  if (fn.startsWith('librosa.filters.mel')) return denseMelBank(melBank(bankOptions(args, sampleRate)));
  if (fn.endsWith('melscale_fbanks')) return transposed(denseMelBank(melBank(bankOptions(args, sampleRate))));
  if (fn.includes('transforms.MFCC')) return torchMfcc(audio, args);
  if (fn.startsWith('dB')) {
    const topDb = Number(/top_db ([\d.]+)/.exec(fn)?.[1] ?? 80);
    const mel = melSpectrogram(audio, torchMelOptions(ownArgs));
    return { data: powerToDb(mel.data, { topDb }), shape: mel.shape };
  }
  if (fn.includes('MelSpectrogram')) {
    return postProcessed(melSpectrogram(audio, torchMelOptions(ownArgs)), one.post ?? 'none');
  }
  throw new DataError(`golden: case ${one.name} calls '${fn}', which is not known here.`);
}

const stftArgs = z.strictObject({
  n_fft: z.int(),
  hop_length: z.int().optional(),
  win_length: z.int().optional(),
  center: z.boolean().default(true),
  pad_mode: z.enum(['reflect', 'constant', 'replicate', 'circular']).default('reflect'),
  normalized: z.boolean().default(false),
  onesided: z.boolean().default(true),
});

function stftOptions(one: GoldenCase): StftOptions {
  const a = stftArgs.parse(one.args);
  const winLength = a.win_length ?? a.n_fft;
  const window = windowArgs(one.window, 'rect');
  return {
    nFft: a.n_fft,
    winLength,
    hopLength: a.hop_length ?? Math.floor(a.n_fft / 4),
    window: createWindow(window.name, winLength, { periodic: window.periodic }),
    center: a.center,
    padMode: a.pad_mode,
    normalized: a.normalized,
    onesided: a.onesided,
  };
}

const goldenStft: GoldenTargets[string] = {
  run(golden, tools) {
    const { cases, audioOf, shapes } = readCases(golden, tools);
    const outputs: Record<string, NdArray> = {};
    for (const one of cases) {
      const options = stftOptions(one);
      const spectrum = stft(audioOf(one), options);
      outputs[one.name] = spectrum;
      const inverse = `istft_of_${one.name}`;
      const shape = shapes.get(inverse);
      if (shape) outputs[inverse] = { data: istft(spectrum, { ...options, length: shape[0]! }), shape };
    }
    return outputs;
  },
};

const resampleArgs = z.strictObject({
  resampling_method: z.enum(['sinc_interp_hann', 'sinc_interp_kaiser']).default('sinc_interp_hann'),
  lowpass_filter_width: z.int().default(6),
  rolloff: z.number().default(0.99),
  beta: z.number().default(14.769656459379492),
});

const goldenResample: GoldenTargets[string] = {
  run(golden, tools) {
    const { cases, audioOf } = readCases(golden, tools);
    const outputs: Record<string, NdArray> = {};
    for (const one of cases) {
      const a = resampleArgs.parse(one.args);
      if (one.orig === undefined || one.new === undefined) throw new DataError(`golden: ${one.name} names no rates.`);
      const data = resample(audioOf(one), one.orig, one.new, {
        resamplingMethod: a.resampling_method,
        lowpassFilterWidth: a.lowpass_filter_width,
        rolloff: a.rolloff,
        beta: a.beta,
      });
      outputs[one.name] = { data, shape: [data.length] };
    }
    return outputs;
  },
};

const goldenKaldi: GoldenTargets[string] = {
  run(golden, tools): GoldenOutputs {
    const { cases, audioOf } = readCases(golden, tools);
    const outputs: Record<string, NdArray> = {};
    for (const one of cases) {
      const bankCall = /get_mel_banks\(([^)]*)\)/.exec(one.fn ?? '');
      if (bankCall) {
        const numbers = bankCall[1]!.split(',').map(Number);
        const [nMels = 0, nFft = 0, sampleRate = 0, fMin = 0, fMax = 0, vtlnLow = 0, vtlnHigh = 0, vtlnWarp = 1] =
          numbers;
        const made = kaldiMelBank({ nMels, nFft, sampleRate, fMin, fMax, vtlnLow, vtlnHigh, vtlnWarp });
        const dense = denseMelBank(made.bank);
        const bins = nFft / 2; // without Nyquist's
        const data = Float32Array.from({ length: nMels * bins }, (_, i) => {
          return dense.data[Math.floor(i / bins) * (bins + 1) + (i % bins)]!;
        });
        outputs[one.name] = { data, shape: [nMels, bins] };
        outputs[`${one.name}_centers`] = { data: Float32Array.from(made.centers), shape: [nMels, 1] };
      } else {
        const features = one.fn?.endsWith('mfcc') ? kaldiMfcc : kaldiFbank;
        outputs[one.name] = features(audioOf(one), kaldiOptions(one.args));
      }
    }
    return outputs;
  },
};

/** MT-SLVR's channels of a batch of two clips. A phase is an angle: it is turned to the reference's side of the circle. */
const goldenMtSlvr: GoldenTargets[string] = {
  run(_golden, tools) {
    const { nMels, ...frontEnd } = { kind: 'mel-phase', hopLength: 512, nMels: 128, fMin: 0, fMax: 8000 } as const;
    const analyze = createFrontEnd({ ...frontEnd, nMels });
    const [rows, n] = [2, 31000];
    const frames = analyze.framesOf(n);
    const size = nMels * frames;
    const channels = ['logmel', 'logamp', 'phase'].map((name) => ({ name, data: new Float32Array(rows * size) }));
    for (let b = 0; b < rows; b++) {
      const { data } = analyze.apply(tools.audio('mtslvr', n, 16000, b).data);
      channels.forEach((channel, c) => channel.data.set(data.subarray(c * size, (c + 1) * size), b * size));
    }
    const [, amplitude, phase] = channels;
    const held = tools.stored('phase')?.data;
    const stride = held ? Math.round((rows * size) / held.length) : 1;
    held?.forEach((expected, i) => {
      const at = i * stride;
      const turns = Math.round((expected - phase!.data[at]!) / (2 * Math.PI));
      // below −30 dB a phase is rounding, and the golden says not to compare it
      phase!.data[at] = amplitude!.data[at]! > -30 ? phase!.data[at]! + turns * 2 * Math.PI : expected;
    });
    return Object.fromEntries(channels.map(({ name, data }) => [name, { data, shape: [rows, nMels, frames] }]));
  },
};

export const goldens: GoldenTargets = {
  'mtslvr-frontend': goldenMtSlvr,
  'fe-mel*': goldenMel,
  'fe-stft*': goldenStft,
  'fe-resample*': goldenResample,
  'fe-kaldi-fbank*': goldenKaldi,
};
