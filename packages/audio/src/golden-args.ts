/** Reading golden cases that describe calls of torchaudio, librosa and torch: their argument names → this package's options. */
import { DataError, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { z } from 'zod';
import type { KaldiFbankOptions, KaldiMfccOptions } from './kaldi-fbank.ts';
import type { MelOptions } from './log-mel.ts';
import type { MelBankOptions } from './mel.ts';
import type { WindowName } from './window.ts';

const audioSchema = z.object({
  fn: z.literal('audio'),
  name: z.string(),
  n: z.int().positive(),
  sr: z.number().positive(),
});

const caseSchema = z.looseObject({
  name: z.string().optional(),
  fn: z.string().optional(),
  args: z.record(z.string(), z.unknown()).default({}),
  post: z.string().optional(),
  input: z.union([audioSchema, z.string()]).optional(),
  window: z.string().nullish(),
  orig: z.number().optional(),
  new: z.number().optional(),
  prescale: z.union([z.number(), z.string()]).optional(),
});
export type GoldenCase = z.output<typeof caseSchema>;

const outputSchema = z.array(z.looseObject({ name: z.string(), shape: z.array(z.int()) }));

/** The named cases of a golden, the audio that those without their own input share, and the outputs' shapes. */
export function readCases(
  golden: GoldenFile,
  tools: GoldenTools,
): {
  cases: (GoldenCase & { name: string })[];
  audioOf: (of: GoldenCase) => Float32Array;
  shapes: Map<string, number[]>;
} {
  const parsed = z.array(caseSchema).safeParse(golden.cases);
  if (!parsed.success) throw new DataError(`golden ${golden.name}: cases\n${z.prettifyError(parsed.error)}`);
  const shared = parsed.data.find((one) => one.name === undefined && typeof one.input === 'object')?.input;
  const generate = (input: GoldenCase['input']): Float32Array => {
    if (typeof input !== 'object')
      throw new DataError(`golden ${golden.name}: a case has no input and none is shared.`);
    return tools.audio(input.name, input.n, input.sr).data;
  };
  const outputs = outputSchema.safeParse(golden.outputs);
  return {
    cases: parsed.data.flatMap((one) => (one.name === undefined ? [] : [{ ...one, name: one.name }])),
    shapes: new Map((outputs.success ? outputs.data : []).map((output) => [output.name, output.shape])),
    audioOf(one) {
      const { input } = one;
      if (typeof input === 'object') return prescaled(generate(input), one.prescale);
      const text = typeof input === 'string' ? input : (one.fn ?? '');
      const zeros = /(\d+) zeros/.exec(text);
      if (zeros) return new Float32Array(Number(zeros[1]));
      const first = /first (\d+) samples/.exec(text);
      const whole = generate(shared);
      const gain = one.prescale ?? Number(/prescale ([\d.]+)/.exec(text)?.[1] ?? 1);
      return prescaled(first ? whole.slice(0, Number(first[1])) : whole, gain);
    },
  };
}

function prescaled(audio: Float32Array, prescale: number | string | undefined): Float32Array {
  if (typeof prescale === 'string') {
    if (!prescale.startsWith('x - mean(x)')) throw new DataError(`golden: prescale '${prescale}' is not known.`);
    const mean = audio.reduce((sum, x) => sum + x, 0) / audio.length;
    return audio.map((x) => x - mean);
  }
  return prescale === undefined || prescale === 1 ? audio : audio.map((x) => x * prescale);
}

/** Options without the undefined ones. */
type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };
function defined<T extends object>(options: T): Defined<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Defined<T>;
}

const optionalNumber = z.number().nullish();
const text = z.string().nullish();

/** 'torch.hann_window', 'hann', 'hann_sym' → window and whether it is periodic. */
export function windowArgs(
  name: string | null | undefined,
  fallback: WindowName,
): { name: WindowName; periodic: boolean } {
  if (name == null) return { name: fallback, periodic: true };
  const known = (['hann', 'hamming', 'blackman', 'kaiser', 'povey'] as const).find((one) => name.includes(one));
  if (known === undefined && !/rect|ones|boxcar/.test(name))
    throw new DataError(`golden: window '${name}' is not known.`);
  return { name: known ?? 'rect', periodic: !name.includes('sym') };
}

const padMode = z
  .enum(['reflect', 'constant', 'replicate', 'circular', 'edge', 'wrap'])
  .transform((mode) => (mode === 'edge' ? 'replicate' : mode === 'wrap' ? 'circular' : mode));

const torchMelSchema = z.strictObject({
  sample_rate: z.number().default(16000),
  n_fft: z.int().default(400),
  win_length: optionalNumber,
  hop_length: optionalNumber,
  f_min: z.number().default(0),
  f_max: optionalNumber,
  pad: z.int().default(0),
  n_mels: z.int().default(128),
  window_fn: text,
  wkwargs: z.record(z.string(), z.unknown()).nullish(),
  power: z.number().default(2),
  normalized: z.union([z.boolean(), z.enum(['window', 'frame_length'])]).default(false),
  center: z.boolean().default(true),
  pad_mode: padMode.default('reflect'),
  onesided: z.boolean().nullish(),
  norm: z.enum(['slaney']).nullish(),
  mel_scale: z.enum(['htk', 'slaney']).default('htk'),
});

/** Arguments of torchaudio.transforms.MelSpectrogram. */
export function torchMelOptions(args: unknown): MelOptions {
  const a = torchMelSchema.parse(args);
  const winLength = a.win_length ?? a.n_fft;
  const window = windowArgs(a.window_fn, 'hann');
  const {
    periodic = window.periodic,
    beta,
    alpha,
  } = z
    .object({ periodic: z.boolean().optional(), beta: z.number().optional(), alpha: z.number().optional() })
    .parse(a.wkwargs ?? {});
  return {
    sampleRate: a.sample_rate,
    nFft: a.n_fft,
    winLength,
    hopLength: a.hop_length ?? Math.floor(winLength / 2),
    fMin: a.f_min,
    fMax: a.f_max ?? Math.floor(a.sample_rate / 2),
    pad: a.pad,
    nMels: a.n_mels,
    window: window.name,
    windowOptions: defined({ periodic, beta, alpha }),
    power: a.power,
    normalized: a.normalized === false ? 'none' : a.normalized === 'frame_length' ? 'frame' : 'window',
    center: a.center,
    padMode: a.pad_mode,
    melNorm: a.norm ?? 'none',
    melScale: a.mel_scale,
  };
}

const librosaMelSchema = z.object({
  sr: z.number().optional(),
  n_fft: z.int().default(2048),
  hop_length: z.int().default(512),
  win_length: optionalNumber,
  window: text,
  center: z.boolean().default(true),
  pad_mode: padMode.default('constant'),
  power: z.number().default(2),
  n_mels: z.int().default(128),
  fmin: z.number().default(0),
  fmax: optionalNumber,
  htk: z.boolean().default(false),
  norm: z.enum(['slaney']).nullable().default('slaney'),
});

/** Arguments of librosa.feature.melspectrogram; other arguments (of the function that calls it) are passed over. */
export function librosaMelOptions(args: unknown, sampleRate: number): MelOptions {
  const a = librosaMelSchema.parse(args);
  return defined({
    sampleRate: a.sr ?? sampleRate,
    nFft: a.n_fft,
    winLength: a.win_length ?? a.n_fft,
    hopLength: a.hop_length,
    window: windowArgs(a.window, 'hann').name,
    center: a.center,
    padMode: a.pad_mode,
    power: a.power,
    nMels: a.n_mels,
    fMin: a.fmin,
    fMax: a.fmax ?? undefined,
    melScale: a.htk ? ('htk' as const) : ('slaney' as const),
    melNorm: a.norm ?? ('none' as const),
  }) as MelOptions;
}

/** Arguments of torchaudio.functional.melscale_fbanks or librosa.filters.mel. */
export function bankOptions(args: unknown, sampleRate: number): MelBankOptions {
  const torch = z.object({
    n_freqs: z.int(),
    f_min: z.number(),
    f_max: z.number(),
    n_mels: z.int(),
    sample_rate: z.number(),
    norm: z.enum(['slaney']).nullish(),
    mel_scale: z.enum(['htk', 'slaney']).default('htk'),
  });
  const parsed = torch.safeParse(args);
  if (!parsed.success) {
    const { nFft, ...mel } = librosaMelOptions(args, sampleRate);
    return { ...mel, bins: Math.floor(nFft / 2) + 1 };
  }
  const a = parsed.data;
  return {
    bins: a.n_freqs,
    sampleRate: a.sample_rate,
    nMels: a.n_mels,
    fMin: a.f_min,
    fMax: a.f_max,
    melNorm: a.norm ?? 'none',
    melScale: a.mel_scale,
  };
}

/** `name=value` pairs inside a textual call: numbers, booleans and words. */
export function textArgs(call: string): Record<string, unknown> {
  const pairs = [...call.matchAll(/(\w+)\s*=\s*([^,()\s]+)/g)];
  return Object.fromEntries(
    pairs.map(([, key = '', value = '']) => {
      if (/^(True|False)$/.test(value)) return [key, value === 'True'];
      if (value === 'None') return [key, null];
      return [key, Number.isNaN(Number(value)) ? value.replaceAll(/["']/g, '') : Number(value)];
    }),
  );
}

const kaldiNames = {
  blackman_coeff: 'blackmanCoeff',
  cepstral_lifter: 'cepstralLifter',
  dither: 'dither',
  energy_floor: 'energyFloor',
  frame_length: 'frameLength',
  frame_shift: 'frameShift',
  high_freq: 'fMax',
  htk_compat: 'htkCompat',
  low_freq: 'fMin',
  min_duration: 'minDuration',
  num_ceps: 'nMfcc',
  num_mel_bins: 'nMels',
  preemphasis_coefficient: 'preemphasisCoefficient',
  raw_energy: 'rawEnergy',
  remove_dc_offset: 'removeDcOffset',
  round_to_power_of_two: 'roundToPowerOfTwo',
  sample_frequency: 'sampleRate',
  snip_edges: 'snipEdges',
  subtract_mean: 'subtractMean',
  use_energy: 'useEnergy',
  use_log_fbank: 'useLogFbank',
  use_power: 'usePower',
  vtln_high: 'vtlnHigh',
  vtln_low: 'vtlnLow',
  vtln_warp: 'vtlnWarp',
  window_type: 'windowType',
} as const;

/** Arguments of torchaudio.compliance.kaldi.fbank and mfcc. */
export function kaldiOptions(args: Readonly<Record<string, unknown>>): KaldiFbankOptions & KaldiMfccOptions {
  const names: Readonly<Record<string, string>> = kaldiNames;
  return Object.fromEntries(
    Object.entries(args)
      .filter(([key]) => key !== 'channel')
      .map(([key, value]) => {
        const name = names[key];
        if (name === undefined) throw new DataError(`golden: argument '${key}' of Kaldi's features is not known.`);
        return [name, value];
      }),
  );
}
