/** An Embedder over a backbone and its front-end. */
import { createFrontEnd, frontEndSchema, type FrontEnd } from '@unlabel/audio';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type Embedder,
  type InputSpec,
  type ModelConfig,
  type NdArray,
} from '@unlabel/core';
import { countParams, tf } from '@unlabel/engine';
import { rateOf } from '../pretrain/source.ts';

export interface NetworkOptions {
  readonly id: string;
  readonly backbone: Backbone;
  readonly config: ModelConfig;
  readonly fingerprint: string;
  readonly source: string;
}

/** Frames computed at once; bounds the memory of a batch whatever the clips' lengths. */
const framesPerBatch = 4096;

export function networkEmbedder({ id, backbone, config, fingerprint, source }: NetworkOptions): Embedder {
  const input = config.input;
  if (input['frontEnd'] === undefined)
    throw new ConfigError(`${source}: embedding raw waveforms is not supported by this backbone.`);
  const frontEnd = createFrontEnd(parseConfig(frontEndSchema, input['frontEnd'], `${source}: input.frontEnd`));
  const spectrogram = (audio: Float32Array): NdArray =>
    normalized(frontEnd.apply(atLeast(audio, frontEnd, backbone.frameStride)), config);

  return {
    id,
    method: config.method,
    fingerprint,
    sampleRate: rateOf(input as Pick<InputSpec, 'sampleRate'>),
    sceneEmbeddingSize: backbone.width,
    timestampEmbeddingSize: backbone.frameWidth,
    params: countParams(backbone.params),
    source,
    async embedScenes(clips) {
      const out = new Float32Array(clips.length * backbone.width);
      for (const group of groupByFrames(clips.map(spectrogram))) {
        const values = await forward(backbone, group.rows, 'clip');
        group.indices.forEach((clip, row) => {
          out.set(values.subarray(row * backbone.width, (row + 1) * backbone.width), clip * backbone.width);
        });
      }
      return out;
    },
    async embedTimestamps(audio) {
      const embeddings = await forward(backbone, [spectrogram(audio)], 'frames');
      const hop = frontEnd.hopSeconds * 1000;
      const stride = backbone.frameStride;
      const timestamps = Float32Array.from(
        { length: embeddings.length / backbone.frameWidth },
        (_, t) => (t * stride + (stride - 1) / 2) * hop, // centre of the input frames behind one output frame
      );
      return { embeddings, timestamps };
    },
    dispose() {
      tf.dispose([...backbone.params.values()]);
    },
  };
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

interface Group {
  readonly indices: number[];
  readonly rows: NdArray[];
}

/** Clips of equal length together, at most `framesPerBatch` frames a group, in the order of their first clip. */
function groupByFrames(arrays: readonly NdArray[]): Group[] {
  const groups: Group[] = [];
  const open = new Map<number, Group>();
  arrays.forEach((array, i) => {
    const frames = array.shape[1]!;
    let group = open.get(frames);
    if (!group || (group.rows.length + 1) * frames > framesPerBatch) {
      group = { indices: [], rows: [] };
      open.set(frames, group);
      groups.push(group);
    }
    group.indices.push(i);
    group.rows.push(array);
  });
  return groups;
}

async function forward(backbone: Backbone, rows: readonly NdArray[], output: 'clip' | 'frames'): Promise<Float32Array> {
  const [bands, frames] = rows[0]!.shape as readonly [number, number];
  const batch = new Float32Array(rows.length * bands * frames);
  rows.forEach((row, i) => batch.set(row.data, i * bands * frames));
  const result = tf.tidy(() => {
    const features = backbone.forward(tf.tensor3d(batch, [rows.length, bands, frames]), { training: false });
    const tensor = features[output];
    if (!tensor) throw new ConfigError(`${backbone.id} has no ${output} output.`);
    return tensor;
  });
  const values = (await result.data()) as Float32Array;
  result.dispose();
  return values;
}
