/** One network of the ears on the downstream tasks of generated scenes: retrieval, spatial super-resolution, semantic prediction. */
import { envelope, istft } from '@unlabel/audio';
import {
  hear,
  maskDecoder,
  masked,
  semanticDecoder,
  semanticLoss,
  sharedConfig,
  superResolutionLoss,
  type Heard,
  type SharedConfig,
} from '@unlabel/binaural';
import {
  ConfigError,
  createRng,
  parseConfig,
  type Backbone,
  type NdArray,
  type Params,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { mergeParams, prefixed, tf, trainableOf } from '@unlabel/engine';
import { meanIou, retrieval, type RetrievalScores } from '@unlabel/probes';
import { loadModelDir } from '@unlabel/zoo';
import { readModelConfig } from '@unlabel/zoo/files';
import { z } from 'zod';
import { fit, forAllRows } from './fit.ts';
import { complexOptions, type SceneWindows } from './windows.ts';

export interface SceneScores {
  /** Windows of the test scenes ask for the others of their scene, and of their class. R@1, R@5, R@10. */
  readonly retrieval: Readonly<Record<'scene' | 'class', RetrievalScores>>;
  /** Of the difference that the turned ears hear: squared error of spectra as a share of silence's; distance of envelopes, and silence's. */
  readonly superResolution: { readonly error: number; readonly envelope: number; readonly envelopeOfSilence: number };
  /** Intersection over union of each class of source, and their mean. */
  readonly semantic: { readonly mean: number; readonly perClass: readonly number[] };
}

export interface SceneEvaluation {
  readonly dir: string;
  readonly seed: number;
  readonly classes: readonly string[];
  readonly train: SceneWindows;
  readonly test: SceneWindows;
  /** Steps a decoder is trained for, with the network or without. */
  readonly steps: number;
  /** The network is trained with each decoder, too: from its initialisation that is the supervised baseline. */
  readonly isFineTuned: boolean;
}

const ks = [1, 5, 10];
const hidden = 32;

/** What the windows of a model are made with: the config of its method, or of the first of several. */
export function listeningOf(methodConfig: Readonly<Record<string, unknown>>, where: string): SharedConfig {
  const parts = Object.values((methodConfig['parts'] ?? {}) as Record<string, { config: Record<string, unknown> }>);
  const config = parts[0]?.config ?? methodConfig;
  const known = Object.fromEntries(Object.entries(config).filter(([name]) => name in sharedConfig));
  if (Object.keys(known).length < Object.keys(sharedConfig).length)
    throw new ConfigError(`${where}: its method does not listen to scenes; expected one of binaural scenes.`);
  return parseConfig(z.strictObject(sharedConfig), known, where);
}

export async function evaluateScenes(options: SceneEvaluation): Promise<SceneScores> {
  const { dir, seed, train, test } = options;
  const config = await readModelConfig(dir);
  const listening = listeningOf(config.methodConfig, dir);
  const rng = createRng(seed).fork('scenes');
  const [, height = 0, width = 0] = train.pixels.shape;
  const [, , frames = 0, bins = 0] = train.heard.shape;
  const classes = options.classes.length + 1;

  const start = await startOf(dir, listening.channels.length, train, test);
  const semantic = await withDecoder(options, listening, start, rng.fork('semantic'), {
    batchSize: 16,
    make: (inputs, draws) => semanticDecoder({ inputs, hidden, classes, size: [height, width] }, draws),
    arrays: ({ pixels }) => ({ pixels }),
    loss: (logits, { pixels }) => semanticLoss(logits, pixels!),
    result: (logits) => tf.argMax(logits, 3),
  });
  const difference = await withDecoder(options, listening, start, rng.fork('super-resolution'), {
    batchSize: 8,
    make: (inputs, draws) => maskDecoder({ inputs, hidden, bins, frames }, draws),
    arrays: ({ heard, difference: wanted }) => ({ heard, difference: wanted }),
    loss: (mask, { heard, difference: wanted }) => superResolutionLoss(mask, heard!, wanted!),
    result: (mask, { heard }) => masked(mask, heard!),
  });
  const clip = semantic.clips;
  return {
    retrieval: {
      scene: retrieval(clip.data, clip.shape[1]!, test.scenes, ks),
      class: retrieval(clip.data, clip.shape[1]!, test.kinds, ks),
    },
    superResolution: differenceScores(difference.found, test.difference, listening),
    semantic: meanIou(test.pixels.data, semantic.found.data, classes),
  };
}

interface Task {
  /** A window holds hundreds of pixels, thousands of bins: few are enough. */
  readonly batchSize: number;
  make(inputs: number, rng: Rng): { readonly params: Params; readonly places: Tensor; forward(heard: Heard): Tensor };
  arrays(windows: SceneWindows): Record<string, NdArray>;
  loss(out: Tensor, batch: Readonly<Record<string, Tensor>>): ReturnType<typeof semanticLoss>;
  result(out: Tensor, batch: Readonly<Record<string, Tensor>>): Tensor;
}

type Features = Readonly<Record<keyof Heard, NdArray>>;

/** What the network of a folder makes of the training windows, and of the tested ones, before a decoder is trained. */
interface Start {
  readonly width: number;
  readonly train: Features;
  readonly test: Features;
}

async function startOf(dir: string, stages: number, train: SceneWindows, test: SceneWindows): Promise<Start> {
  const { backbone } = await loadModelDir(dir);
  try {
    return {
      width: backbone.width,
      train: await featuresOf(backbone, stages, train),
      test: await featuresOf(backbone, stages, test),
    };
  } finally {
    tf.dispose([...backbone.params.values()]);
  }
}

/** Trains a decoder on the training windows; what it finds in the test windows, and the network's features of those. */
async function withDecoder(
  { dir, train, test, steps, isFineTuned }: SceneEvaluation,
  { channels }: SharedConfig,
  start: Start,
  rng: Rng,
  task: Task,
): Promise<{ found: NdArray; clips: NdArray }> {
  const network = isFineTuned ? (await loadModelDir(dir)).backbone : undefined;
  const stages = channels.length;
  const decoder = task.make(start.width, rng.fork('decoder'));
  const scale = network ? undefined : scaleOf(start.train); // batch norm that still learns does it by itself
  const draws = rng.fork('order');
  try {
    if (network) {
      const params = trainableOf(mergeParams(prefixed('audio', network.params), prefixed('decoder', decoder.params)));
      const arrays = { spectra: train.spectra, ...task.arrays(train) };
      const loss = (batch: Readonly<Record<string, Tensor>>) =>
        task.loss(decoder.forward(hear(network, batch['spectra']!, stages, true)), batch);
      fit({ params, arrays, loss, steps, batchSize: task.batchSize, rng: draws });
    } else {
      const arrays = { ...start.train, ...task.arrays(train) };
      const loss = (batch: Readonly<Record<string, Tensor>>) =>
        task.loss(decoder.forward(scale!.apply(heardIn(batch))), batch);
      fit({ params: decoder.params, arrays, loss, steps, batchSize: task.batchSize, rng: draws });
    }
    const features = network ? await featuresOf(network, stages, test) : start.test;
    const [found] = await forAllRows({ ...features, ...task.arrays(test) }, (batch) => {
      const heard = heardIn(batch);
      return [task.result(decoder.forward(scale ? scale.apply(heard) : heard), batch)];
    });
    return { found: found!, clips: features.clip };
  } finally {
    scale?.dispose();
    tf.dispose([decoder.places, ...decoder.params.values(), ...(network?.params.values() ?? [])]);
  }
}

/** Brings each feature to mean 0 and deviation 1 over `features`: networks differ in scale, the rate of a decoder does not. */
function scaleOf(features: Features): { apply(heard: Heard): Heard; dispose(): void } {
  const momentsOf = ({ data, shape }: NdArray): [Tensor, Tensor] => {
    const width = shape.at(-1)!;
    const count = data.length / width;
    const [sum, squares] = [new Float64Array(width), new Float64Array(width)];
    for (let i = 0; i < data.length; i++) {
      sum[i % width]! += data[i]! / count;
      squares[i % width]! += data[i]! ** 2 / count;
    }
    const inverse = squares.map((square, i) => 1 / Math.sqrt(Math.max(square - sum[i]! ** 2, 1e-12)));
    return [tf.tensor1d(Float32Array.from(sum)), tf.tensor1d(Float32Array.from(inverse))];
  };
  const [clip, steps] = [momentsOf(features.clip), momentsOf(features.steps)];
  const scaled = (x: Tensor, [mean, inverse]: [Tensor, Tensor]): Tensor => tf.mul(tf.sub(x, mean), inverse);
  return {
    apply: (heard) => ({ clip: scaled(heard.clip, clip), steps: scaled(heard.steps, steps) }),
    dispose: () => tf.dispose([...clip, ...steps]),
  };
}

const heardIn = (batch: Readonly<Record<string, Tensor>>): Heard => ({ clip: batch['clip']!, steps: batch['steps']! });

async function featuresOf(backbone: Backbone, stages: number, { spectra }: SceneWindows): Promise<Features> {
  const [clip, steps] = await forAllRows({ spectra }, (batch) => {
    const heard = hear(backbone, batch['spectra']!, stages, false);
    return [heard.clip, heard.steps];
  });
  return { clip: clip!, steps: steps! };
}

/** Both arrays [n, 4, T, F]. */
function differenceScores(found: NdArray, wanted: NdArray, config: SharedConfig): SceneScores['superResolution'] {
  let [error, energy] = [0, 0];
  for (let i = 0; i < wanted.data.length; i++) {
    error += (found.data[i]! - wanted.data[i]!) ** 2;
    energy += wanted.data[i]! ** 2;
  }
  const [count = 0, , frames = 0, bins = 0] = wanted.shape;
  const size = 2 * frames * bins;
  let [distance, silence] = [0, 0];
  for (let at = 0; at < wanted.data.length; at += size) {
    const [a, b] = [wanted, found].map(({ data }) => envelopeOf(data.subarray(at, at + size), bins, frames, config));
    distance += Math.sqrt(a!.reduce((sum, value, i) => sum + (value - b![i]!) ** 2, 0));
    silence += Math.sqrt(a!.reduce((sum, value) => sum + value ** 2, 0));
  }
  return { error: error / energy, envelope: distance / count, envelopeOfSilence: silence / count };
}

/** Planes [2, T, F] of one ear → the envelope of its signal. */
function envelopeOf(planes: Float32Array, bins: number, frames: number, config: SharedConfig): Float32Array {
  const data = new Float32Array(planes.length);
  for (let f = 0; f < bins; f++)
    for (let t = 0; t < frames; t++)
      for (let part = 0; part < 2; part++) data[2 * (f * frames + t) + part] = planes[(part * frames + t) * bins + f]!;
  return envelope(istft({ data, shape: [bins, frames, 2] }, complexOptions(config)));
}
