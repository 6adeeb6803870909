/**
 * What DeLoRes-S and DeLoRes-M share: front-end, views, the Barlow term with its projector, and LAPE's parameter names.
 *
 * Ghosh, Seth, Umesh, "DeLoRes: Decorrelating Latent Spaces for Low-Resource Audio Representation Learning", AAAI 2022 workshop,
 * arXiv 2203.13628v3. The constants follow Sreyan88/LAPE src/upstream/delores_{s,m}@81ba8d9c, the maintained code, which has no
 * licence: this is written from its description.
 *
 * Legend: B rows, F mel bands, T frames, D width of a feature, U projection width.
 */
import { z } from 'zod';
import { frontEnds } from '@unlabel/audio';
import { mixup, randomResizeCrop } from '@unlabel/augment';
import { buildAudioNtt, type AudioNtt } from '@unlabel/backbones';
import { DataError, type InputSpec, type NdArray, type Rng, type Sample, type Views } from '@unlabel/core';
import { barlowHead, type BarlowHead } from '@unlabel/objectives';

const range = z.tuple([z.number().positive(), z.number().positive()]);

/** Fields both methods have. */
export const sharedConfig = {
  seconds: z.number().positive().default(0.95).meta({ unit: 's', paper: 'LAPE config' }),
  /** Where the random crop is taken: exact from the waveform at each access, or from a cached spectrogram. */
  crop: z.enum(['waveform', 'spectrogram']).default('waveform'),
  padMode: z.enum(['reflect', 'constant']).default('reflect').meta({ paper: 'librosa < 0.10 / ≥ 0.10' }),
  mixupRatio: z.number().min(0).max(1).default(0.4).meta({ symbol: 'α', paper: 'BYOL-A Eq. 4' }),
  mixupMemory: z.int().positive().default(2048).meta({ unit: 'inputs' }),
  canvasScale: range.default([1, 1.5]).meta({ paper: 'BYOL-A §III-B, [frequency, time]' }),
  freqScale: range.default([0.6, 1.5]).meta({ paper: 'BYOL-A §III-B' }),
  timeScale: range.default([0.6, 1.5]).meta({ paper: 'BYOL-A §III-B' }),
  width: z.int().positive().default(2048).meta({ symbol: 'D' }),
  dropout: z.number().min(0).lt(1).default(0.3).meta({ paper: 'BYOL-A network' }),
  projectorWidth: z.int().positive().default(2048).meta({ symbol: 'U' }),
  projectorDropout: z.number().min(0).lt(1).default(0).meta({ paper: 'first release: 0.5' }),
  lambdaOn: z.number().min(0).default(5e-5).meta({ symbol: 'λ_on', paper: 'LAPE; 1 in the first release' }),
  lambdaOff: z.number().min(0).default(5e-5).meta({ symbol: 'λ_off', paper: 'LAPE; 0.0051 in the first release' }),
  scale: z
    .number()
    .positive()
    .default(1 / 32)
    .meta({ paper: 'LAPE; 1 in the first release' }),
};

const sharedSchema = z.strictObject(sharedConfig);
export type SharedConfig = z.output<typeof sharedSchema>;

export const sharedCard = {
  authors: 'Sreyan Ghosh, Ashish Seth, S. Umesh',
  year: 2022,
  licence: 'code without a licence (described, not copied); no weights published',
  modality: 'audio',
} as const;

export const sharedDifferences = [
  'Log-mels are normalised by fixed statistics of the data set; LAPE keeps running ones per loader worker, whose second item replaces the first.',
  'One process: no batch statistics or correlations across GPUs.',
];

/** Both presets of the Barlow term's weights. */
export const lapeTerm = { lambdaOn: 5e-5, lambdaOff: 5e-5, scale: 1 / 32, projectorWidth: 2048 };
export const originalTerm = { lambdaOn: 1, lambdaOff: 0.0051, scale: 1, projectorWidth: 8192 };

/** Log-mels of a random crop: librosa's bank, 64 bands of 60–7800 Hz, normalised over the data set. */
export const deloresInput = ({ seconds, crop, padMode }: SharedConfig): InputSpec => ({
  modality: 'audio',
  sampleRate: frontEndRate,
  seconds,
  crop,
  frontEnd: { ...frontEnds.delores, padMode },
  normalize: 'dataset',
});
const frontEndRate = 16000;

/**
 * Two views of one normalised crop, transformed independently: log-mixup-exp with an earlier input, then random resize crop.
 * The second view's memory already holds this very input, as in the authors' code.
 */
export function deloresViews(config: SharedConfig): Views {
  const { mixupRatio, mixupMemory, canvasScale, freqScale, timeScale } = config;
  const memory = { ratio: mixupRatio, memory: mixupMemory };
  const crop = { virtualCropScale: canvasScale, freqScale, timeScale };
  return async (sample, context) => {
    const { rng, position } = context;
    const x = logMelOf(sample);
    const earlier = async (k: number): Promise<NdArray | undefined> => (await context.recent(k))?.['logMel'];
    const draw = async (view: Rng, available: number, pick: typeof earlier): Promise<NdArray> =>
      randomResizeCrop(await mixup(x, pick, available, view, memory), view, crop);
    return {
      view1: await draw(rng.fork('view1'), position, earlier),
      view2: await draw(rng.fork('view2'), position + 1, async (k) => (k === 1 ? x : earlier(k - 1))),
    };
  };
}

function logMelOf(sample: Sample): NdArray {
  const x = sample['logMel'];
  if (!x)
    throw new DataError(
      `delores: an input has ${Object.keys(sample).join(', ') || 'nothing'}; expected logMel [F, T].`,
    );
  return x;
}

/** AudioNTT 2020 as the config says. */
export const deloresBackbone = ({ width, dropout }: SharedConfig, rng: Rng): AudioNtt =>
  buildAudioNtt({ version: '2020', width, dropout }, rng);

/** The Barlow term as the config says. */
export const deloresHead = (inputs: number, config: SharedConfig, rng: Rng): BarlowHead => {
  const { projectorWidth: width, projectorDropout, lambdaOn, lambdaOff, scale } = config;
  return barlowHead({ inputs, width, dropout: projectorDropout, lambdaOn, lambdaOff, scale }, rng);
};

/**
 * A name in LAPE's checkpoints → ours, or undefined for what is not a parameter here (`queue_ptr`). DeLoRes-S keeps its backbone
 * under `encoder.encoder.`, DeLoRes-M under `encoder_q.encoder.` and `encoder_k.encoder.`.
 */
export function fromLape(name: string): string | undefined {
  if (name === 'queue') return name;
  const layer = name.replace(/features_([1-3])\.([01])\./, (_, stage: string, part: string) => {
    return `features.${4 * (Number(stage) - 1) + Number(part)}.`;
  });
  const parts: readonly [RegExp, string][] = [
    [/^encoder(?:_q)?\.encoder\./, 'backbone.'],
    [/^encoder_k\.encoder\./, 'key.backbone.'],
    [/^encoder_q\.fc\./, 'contrast.'],
    [/^encoder_k\.fc\./, 'key.contrast.'],
    [/^p([1-3]?)\.(?=projector\.|bn\.)/, 'barlow$1.'],
  ];
  const part = parts.find(([pattern]) => pattern.test(layer));
  return part && layer.replace(part[0], part[1]);
}
