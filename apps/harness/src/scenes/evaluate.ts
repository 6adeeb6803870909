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
const hidden = 16;

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

  const semantic = await withDecoder(options, listening, rng.fork('semantic'), {
    make: (inputs, draws) => semanticDecoder({ inputs, hidden, classes, size: [height, width] }, draws),
    arrays: ({ pixels }) => ({ pixels }),
    loss: (logits, { pixels }) => semanticLoss(logits, pixels!),
    result: (logits) => tf.argMax(logits, 3),
  });
  const difference = await withDecoder(options, listening, rng.fork('super-resolution'), {
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
  make(inputs: number, rng: Rng): { readonly params: Params; readonly places: Tensor; forward(heard: Heard): Tensor };
  arrays(windows: SceneWindows): Record<string, NdArray>;
  loss(out: Tensor, batch: Readonly<Record<string, Tensor>>): ReturnType<typeof semanticLoss>;
  result(out: Tensor, batch: Readonly<Record<string, Tensor>>): Tensor;
}

/** Trains a decoder on the training windows; what it finds in the test windows, and the network's features of those. */
async function withDecoder(
  { dir, train, test, steps, isFineTuned }: SceneEvaluation,
  { channels }: SharedConfig,
  rng: Rng,
  task: Task,
): Promise<{ found: NdArray; clips: NdArray }> {
  const { backbone } = await loadModelDir(dir);
  const stages = channels.length;
  const decoder = task.make(backbone.width, rng.fork('decoder'));
  const draws = rng.fork('order');
  try {
    if (isFineTuned) {
      const params = trainableOf(mergeParams(prefixed('audio', backbone.params), prefixed('decoder', decoder.params)));
      const arrays = { spectra: train.spectra, ...task.arrays(train) };
      const loss = (batch: Readonly<Record<string, Tensor>>) =>
        task.loss(decoder.forward(hear(backbone, batch['spectra']!, stages, true)), batch);
      fit({ params, arrays, loss, steps, lr: 3e-3, rng: draws }); // as the pretext tasks
    } else {
      const arrays = { ...(await featuresOf(backbone, stages, train)), ...task.arrays(train) };
      const loss = (batch: Readonly<Record<string, Tensor>>) => task.loss(decoder.forward(heardIn(batch)), batch);
      fit({ params: decoder.params, arrays, loss, steps, rng: draws });
    }
    const features = await featuresOf(backbone, stages, test);
    const found = await forAllRows({ ...features, ...task.arrays(test) }, (batch) =>
      task.result(decoder.forward(heardIn(batch)), batch),
    );
    return { found, clips: features.clip };
  } finally {
    tf.dispose([decoder.places, ...decoder.params.values(), ...backbone.params.values()]);
  }
}

const heardIn = (batch: Readonly<Record<string, Tensor>>): Heard => ({ clip: batch['clip']!, steps: batch['steps']! });

async function featuresOf(backbone: Backbone, stages: number, { spectra }: SceneWindows) {
  const of = (name: keyof Heard): Promise<NdArray> =>
    forAllRows({ spectra }, (batch) => hear(backbone, batch['spectra']!, stages, false)[name]);
  return { clip: await of('clip'), steps: await of('steps') };
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
