/**
 * What the pretext tasks on binaural sound share: windows of both ears, pictures, the networks, a classifying head.
 *
 * Vasudevan, Dai, Van Gool, "Multi-Task Self-Supervised Learning for Audio-Visual Scenes", CVPR 2022, arXiv 2201.01046. Its code was never
 * released and the paper gives no sizes of heads; the audio network and its input are those of the authors' ECCV 2020 code
 * (arunbalajeev/binaural-sound-perception@1c0bb189, written from its description).
 *
 * Legend: N samples, F bins, T frames, H, W pixels, B rows, K classes.
 */
import { z } from 'zod';
import { logPower } from '@unlabel/audio';
import { buildBinauralNet, buildResnet } from '@unlabel/backbones';
import {
  DataError,
  type Backbone,
  type Batch,
  type Card,
  type InputSpec,
  type Model,
  type NdArray,
  type Rng,
  type Sample,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { buffersOf, mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import { mlp, type Layer } from '@unlabel/nn';

export const sharedConfig = {
  sampleRate: z.int().positive().default(48000).meta({ unit: 'Hz' }),
  /** Length of one window. */
  seconds: z.number().positive().default(2).meta({ unit: 's' }),
  nFft: z.int().positive().default(512),
  winLength: z.int().positive().default(400),
  hopLength: z.int().positive().default(160),
  channels: z.array(z.int().positive()).min(1).default([64, 128, 256, 512, 512]),
  /** Widths and blocks of the ResNet-18 on the picture, and its stem. */
  visualWidths: z.array(z.int().positive()).length(4).default([64, 128, 256, 512]),
  visualBlocks: z.array(z.int().positive()).length(4).default([2, 2, 2, 2]),
  visualStem: z.enum(['large', 'small']).default('large'),
  fusionWidth: z.int().positive().default(512),
  /** Ablation: both ears get their mean. */
  isMono: z.boolean().default(false),
  /** Ablation: the picture is black. */
  isBlind: z.boolean().default(false),
};
const sharedSchema = z.strictObject(sharedConfig);
export type SharedConfig = z.output<typeof sharedSchema>;

export const sharedCard = {
  authors: 'Arun Balajee Vasudevan, Dengxin Dai, Luc Van Gool',
  year: 2022,
  paper: 'https://arxiv.org/abs/2201.01046',
  code: 'arunbalajeev/binaural-sound-perception@1c0bb189b209b26b25fb8605dae6db67e74bf6df (audio network; its pretext tasks are unpublished)',
  licence: 'code CC BY-NC 4.0 (described, not copied); no weights published',
  modality: 'audio-visual',
} as const satisfies Partial<Card>;

export const sharedDifferences = [
  'Heads, windows and pairs are ours: the paper gives none.',
  'The picture has its column (−1…1) as a fourth channel, so that the mean over the map can tell left from right.',
];

export const sharedRecipe = {
  optimizer: 'adamw',
  lr: 1e-4,
  weightDecay: 1e-4,
  schedule: 'cosine',
  batchSize: 32,
  epochs: 100,
} as const;

/** Least power of a bin, and RMS of a window over both ears. */
const [floor, level] = [1e-5, 0.1];

/** A mono clip is embedded as both ears hear it alike. */
export const binauralInput = ({ sampleRate, nFft, winLength, hopLength }: SharedConfig): InputSpec => ({
  modality: 'audio-visual',
  sampleRate,
  channels: 2,
  embedFrontEnd: { kind: 'log-power', sampleRate, nFft, winLength, hopLength, floor, waveform: { kind: 'rms', level } },
});

/** Both ears and the pictures of a sample. */
export function partsOf(sample: Sample): { readonly audio: NdArray; readonly frames: NdArray } {
  const { audio, frames } = sample;
  if (audio?.shape[0] !== 2 || frames?.shape.length !== 4) {
    throw new DataError(
      `binaural: expected audio [2, N] and frames [T, H, W, 3]; the sample has ${Object.entries(sample)
        .map(([name, { shape }]) => `${name} [${shape.join(', ')}]`)
        .join(', ')}.`,
    );
  }
  return { audio, frames };
}

/** A start, in samples, of a window of `length` that leaves `room` samples after it; uniform. */
export function randomStart(audio: NdArray, length: number, room: number, rng: Rng): number {
  const last = audio.shape[1]! - length - room;
  if (last < 0)
    throw new DataError(
      `binaural: a scene of ${audio.shape[1]} samples is too short; at least ${length + room} are needed.`,
    );
  return rng.int(last + 1);
}

/**
 * Log power max(|X|², 1e-5) of a window of both ears [2, F, T]. Both are scaled by one factor, to an RMS of 0.1 over the two: neither the
 * loudness of the place nor a difference between recorders tells anything, the level between the ears stays.
 */
export function windowOf(audio: NdArray, start: number, config: SharedConfig, areEarsSwapped = false): NdArray {
  const length = Math.round(config.seconds * config.sampleRate);
  const size = audio.shape[1]!;
  let ears = [0, 1].map((ear) => audio.data.subarray(ear * size + start, ear * size + start + length));
  if (config.isMono) {
    const mean = ears[0]!.map((value, i) => (value + ears[1]![i]!) / 2);
    ears = [mean, mean];
  }
  if (areEarsSwapped) ears.reverse();
  const scale = loudnessFactor(ears);
  const { nFft, winLength, hopLength } = config;
  const [left, right] = ears.map((ear) => logPower(scaled(ear, scale), { nFft, winLength, hopLength }, floor));
  const data = new Float32Array(2 * left!.data.length);
  data.set(left!.data);
  data.set(right!.data, left!.data.length);
  return { data, shape: [2, ...left!.shape] };
}

function scaled(signal: Float32Array, factor: number): Float32Array {
  const out = new Float32Array(signal.length);
  for (let i = 0; i < out.length; i++) out[i] = factor * signal[i]!;
  return out;
}

/** What brings windows of both ears to an RMS of 0.1 over the two. */
export function loudnessFactor(ears: readonly Float32Array[]): number {
  let energy = 0;
  for (const ear of ears) for (let i = 0; i < ear.length; i++) energy += ear[i]! * ear[i]!;
  return level / Math.max(1e-5 * level, Math.sqrt(energy / (2 * ears[0]!.length)));
}

/** The picture at `place` (0…1 of the scene) [H, W, 4]: its colours, mirrored where asked, and the column −1…1. */
export function pictureOf(frames: NdArray, place: number, config: SharedConfig, isMirrored = false): NdArray {
  const [count, height, width] = frames.shape as [number, number, number];
  const t = Math.min(count - 1, Math.max(0, Math.floor(place * count)));
  const data = new Float32Array(height * width * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((t * height + y) * width + (isMirrored ? width - 1 - x : x)) * 3;
      const to = (y * width + x) * 4;
      for (let c = 0; c < 3; c++) data[to + c] = config.isBlind ? 0 : frames.data[from + c]!;
      data[to + 3] = (2 * (x + 0.5)) / width - 1;
    }
  }
  return { data, shape: [height, width, 4] };
}

export const labelOf = (value: number): NdArray => ({ data: Float32Array.of(value), shape: [1] });

export interface BinauralModel extends Model {
  readonly visual: Backbone | undefined;
  readonly head: Layer;
}

/** The audio network for `windows` windows, the ResNet-18 where there is a picture, and an MLP to `classes`. */
export function buildBinaural(
  config: SharedConfig,
  rng: Rng,
  backbone: Backbone,
  shape: { windows: number; hasPicture: boolean; classes: number },
): BinauralModel {
  const { visualWidths: widths, visualBlocks: blocks, visualStem: stem, fusionWidth } = config;
  const visual = shape.hasPicture
    ? buildResnet({ depth: 18, widths, blocks, stem, channels: 4 }, rng.fork('visual'))
    : undefined;
  const inputs = shape.windows * backbone.width + (visual?.width ?? 0);
  const head = mlp({ widths: [inputs, fusionWidth, shape.classes], hasNorm: false }, rng.fork('fusion'));
  const params = mergeParams(
    prefixed('audio', backbone.params),
    ...(visual ? [prefixed('visual', visual.params)] : []),
    prefixed('fusion', head.params),
  );
  return { trainable: trainableOf(params), state: buffersOf(params), backbone, visual, head };
}

export const audioNetwork = ({ channels }: SharedConfig, rng: Rng): Backbone =>
  buildBinauralNet({ channels }, rng.fork('audio'));

/** Scores of each class [B, K] of windows `audio1`, `audio2`, … and `picture`. */
export function logitsOf(model: BinauralModel, batch: Batch, training: boolean) {
  const windows = Object.keys(batch)
    .filter((name) => name.startsWith('audio'))
    .sort();
  const clipOf = (x: Tensor): Tensor => model.backbone.forward(x, { training }).clip;
  const inputs = windows.map((name) => batch[name]!);
  const features = inputs.length === 1 ? [clipOf(inputs[0]!)] : tf.split(clipOf(tf.concat(inputs)), inputs.length); // as rows of one batch
  if (model.visual) features.push(model.visual.forward(batch['picture']!, { training }).clip);
  return model.head.forward(tf.concat(features, 1), { training });
}

/** Cross entropy with `label` [B, 1], and the share that is right. */
export function classification(model: BinauralModel, batch: Batch): { loss: Scalar; logs: { accuracy: Scalar } } {
  const logits = logitsOf(model, batch, true);
  const classes = logits.shape[1]!;
  const label = tf.cast(tf.reshape(batch['label']!, [-1]), 'int32');
  const picked = tf.sum(tf.mul(tf.oneHot(label, classes), logits), 1);
  const isRight = tf.cast(tf.equal(tf.argMax(logits, 1), label), 'float32');
  return {
    loss: tf.mean(tf.sub(tf.logSumExp(logits, 1), picked)) as Scalar,
    logs: { accuracy: tf.mean(isRight) as Scalar },
  };
}
