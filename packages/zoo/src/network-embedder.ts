/** An Embedder over a backbone and its front-end. */
import { createFrontEnd, frontEndSchema, type FrontEnd, type FrontEndConfig } from '@unlabel/audio';
import { ConfigError, parseConfig, type Backbone, type Embedder, type ModelConfig, type NdArray } from '@unlabel/core';
import { countParams, tf } from '@unlabel/engine';

import {
  bytesPerFrame,
  canWindow,
  forward,
  forwardApart,
  forwardWindows,
  groupByFrames,
  needsWindows,
  poolWindows,
} from './passes.ts';

export interface NetworkOptions {
  readonly id: string;
  readonly backbone: Backbone;
  readonly config: ModelConfig;
  readonly fingerprint: string;
  readonly source: string;
}

/** Frames computed at once at most: more are not faster, and results do not depend on the memory of the machine. */
const framesPerBatch = 4096;

export function networkEmbedder({ id, backbone: given, config, fingerprint, source }: NetworkOptions): Embedder {
  const input = config.input;
  const backbone = input['channels'] === 2 ? heardByBothEars(given) : given;
  const stated = input['embedFrontEnd'] ?? input['frontEnd'];
  if (stated === undefined)
    throw new ConfigError(`${source}: embedding raw waveforms is not supported by this backbone.`);
  const frontEnd = createFrontEnd(parseConfig(frontEndSchema, stated, `${source}: input.frontEnd`));
  const lost = backbone.lostFrames ?? 0;
  const spectrogram = (audio: Float32Array): NdArray =>
    normalized(frontEnd.apply(atLeast(audio, frontEnd, backbone.frameStride + lost)), config);

  let memory = Infinity;
  let perFrame: Promise<number> | undefined;
  const frameBytes = (): Promise<number> => (perFrame ??= bytesPerFrame(backbone, frontEnd.bands));
  const framesInMemory = async (): Promise<number> =>
    memory === Infinity ? Infinity : Math.floor(memory / 2 / Math.max(1, await frameBytes())); // half is for audio and copies
  const isLong = (array: NdArray, limit: number): boolean => array.shape[1]! > limit && canWindow(backbone);

  const framesOf = async (input: NdArray, limit: number): Promise<Float32Array> => {
    if (needsWindows(backbone, input.shape[1]!)) return forwardApart(backbone, input);
    return isLong(input, limit) ? forwardWindows(backbone, input, limit) : forward(backbone, [input], 'frames');
  };
  const isCut = (array: NdArray, limit: number): boolean =>
    isLong(array, limit) || needsWindows(backbone, array.shape[1]!);

  return {
    id,
    method: config.method,
    fingerprint,
    sampleRate: rateOf(input),
    sceneEmbeddingSize: backbone.width,
    timestampEmbeddingSize: backbone.frameWidth,
    params: countParams(backbone.params),
    source,
    async embedScenes(clips) {
      const out = new Float32Array(clips.length * backbone.width);
      const limit = await framesInMemory();
      for (const group of groupByFrames(clips.map(spectrogram), Math.min(framesPerBatch, limit))) {
        const place = (clip: number, vector: Float32Array): void => out.set(vector, clip * backbone.width);
        if (isCut(group.rows[0]!, limit)) {
          for (const [i, row] of group.rows.entries())
            place(group.indices[i]!, await poolWindows(backbone, await framesOf(row, limit)));
          continue;
        }
        const values = await forward(backbone, group.rows, 'clip');
        group.indices.forEach((clip, row) =>
          place(clip, values.subarray(row * backbone.width, (row + 1) * backbone.width)),
        );
      }
      return out;
    },
    async embedTimestamps(audio) {
      const limit = await framesInMemory();
      const embeddings = await framesOf(spectrogram(audio), limit);
      const hop = frontEnd.hopSeconds * 1000;
      const stride = backbone.frameStride;
      const first = firstCenter(frontEnd.config) + ((lost + stride - 1) / 2) * hop; // of the input frames behind one output frame
      const timestamps = Float32Array.from(
        { length: embeddings.length / backbone.frameWidth },
        (_, t) => first + t * stride * hop,
      );
      return { embeddings, timestamps };
    },
    setMemory(bytes) {
      memory = bytes;
    },
    async memoryOf(samples) {
      return Math.min(frontEnd.framesOf(samples), backbone.windowFrames ?? Infinity) * (await frameBytes());
    },
    dispose() {
      tf.dispose([...backbone.params.values()]);
    },
  };
}

/** A network of two ears [B, 2, F, T] as one of mono clips [B, F, T], which both ears hear. */
const heardByBothEars = (backbone: Backbone): Backbone => ({
  ...backbone,
  forward: (x, options) => backbone.forward(tf.stack([x, x], 1), options),
});

function rateOf({ sampleRate }: ModelConfig['input']): number {
  if (typeof sampleRate === 'number') return sampleRate;
  throw new ConfigError('input.sampleRate: an audio model must state it in Hz.');
}

/** Center of the first frame in ms: 0 for centered analysis, half a frame otherwise. */
function firstCenter(config: FrontEndConfig): number {
  switch (config.kind) {
    case 'log-mel':
    case 'mel-phase':
    case 'mfcc':
      return config.center ? 0 : (config.nFft / 2 / config.sampleRate) * 1000;
    case 'kaldi-fbank':
      return (config.snipEdges ? config.frameLength : config.frameShift) / 2;
    case 'log-power':
    case 'waveform':
      return 0;
  }
}

/** Trailing zeros until the front-end gives at least `frames` frames. */
function atLeast(audio: Float32Array, frontEnd: FrontEnd, frames: number): Float32Array {
  let length = Math.max(audio.length, 1);
  while (frontEnd.framesOf(length) < frames) length += Math.ceil(frontEnd.hopSeconds * frontEnd.sampleRate);
  if (length === audio.length) return audio;
  const padded = new Float32Array(length);
  padded.set(audio);
  return padded;
}

function normalized(array: NdArray, { normalization }: ModelConfig): NdArray {
  if (normalization) {
    const { mean, std } = normalization;
    for (let i = 0; i < array.data.length; i++) array.data[i] = (array.data[i]! - mean) / std;
  }
  return array;
}
