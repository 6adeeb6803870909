/**
 * AudioNTT: three (2020) or two (2022) convolution stages and two linear layers applied to each time step.
 *
 * Niizuma et al., "BYOL for Audio", IJCNN 2021, arXiv 2103.06695v2 (2020 network, Task 6 of DCASE 2020) and TASLP 2023, arXiv
 * 2204.07402v2 (2022 network). Topology and parameter names as nttcslab/byol-a byol_a/models.py and v2/byol_a2/models.py@3e65c928;
 * written from their description. The same network is the encoder of DeLoRes (Sreyan88/LAPE@81ba8d9c).
 *
 * Legend: B rows, F mel bands, T frames, T′ = ⌊T/8⌋ (2020) or ⌊T/4⌋ (2022), C = 64 channels, D width.
 */
import { z } from 'zod';
import {
  ConfigError,
  parseConfig,
  type Backbone,
  type BackboneFamily,
  type Features,
  type ForwardOptions,
  type Params,
  type Rng,
  type Tensor,
} from '@unlabel/core';
import { asTensor4D, copyParams, mergeParams, prefixed, tf, type Tensor4D } from '@unlabel/engine';
import { batchNorm, conv2d, dropout, forked, foldedBatchNorm, linear, type Layer } from '@unlabel/nn';

export const audioNttConfigSchema = z.strictObject({
  version: z.enum(['2020', '2022']).default('2020').meta({ paper: '2103.06695 / 2204.07402' }),
  /** F: mel bands of the input. */
  bands: z.int().min(8).max(1024).default(64).meta({ symbol: 'F' }),
  /** Width of the linear layers; the 2022 network's output is this and its convolution features beside it. */
  width: z.int().min(1).max(16384).default(2048).meta({ symbol: 'D' }),
  dropout: z.number().min(0).lt(1).default(0.3),
});
export type AudioNttConfig = z.output<typeof audioNttConfigSchema>;

const CHANNELS = 64;

interface Stage {
  readonly conv: Layer;
  readonly norm: Layer;
}

/** Feature maps offered by name: `stage1`, `stage2`, `stage3` [B, F/2ⁱ, T/2ⁱ, C]. */
export const audioNtt: BackboneFamily = { id: 'audio-ntt', build: buildAudioNtt };

export function buildAudioNtt(config: Readonly<Record<string, unknown>>, rng: Rng): Backbone {
  const parsed = parseConfig(audioNttConfigSchema, config, 'audio-ntt');
  const { bands, width, version } = parsed;
  const count = version === '2020' ? 3 : 2;
  const stride = 2 ** count;
  if (bands < stride)
    throw new ConfigError(`audio-ntt: ${bands} bands; at least ${stride} are needed for ${count} poolings`);
  const convWidth = Math.floor(bands / stride) * CHANNELS;
  const stages: Stage[] = Array.from({ length: count }, (_, i) => ({
    conv: conv2d(i === 0 ? 1 : CHANNELS, CHANNELS, 3, rng.fork(`features.${4 * i}`), { padding: 1 }),
    norm: batchNorm(CHANNELS),
  }));
  const first = linear(convWidth, width, rng.fork('fc.0'));
  const second = linear(width, width, rng.fork('fc.3'));
  const drop = dropout(parsed.dropout);
  const params: Params = mergeParams(
    ...stages.flatMap(({ conv, norm }, i) => [
      prefixed(`features.${4 * i}`, conv.params),
      prefixed(`features.${4 * i + 1}`, norm.params),
    ]),
    prefixed('fc.0', first.params),
    prefixed('fc.3', second.params),
  );
  const frameWidth = version === '2020' ? width : convWidth + width;

  const forward = (x: Tensor, options: ForwardOptions): Features => {
    const [, f, t = 0] = x.shape;
    if (x.rank !== 3 || f !== bands || t < stride) {
      throw new ConfigError(
        `audio-ntt: input is [${x.shape.join(', ')}]; expected [rows, ${bands}, ${stride} frames or more]`,
      );
    }
    const maps: Record<string, Tensor> = {};
    let h: Tensor = tf.expandDims(x, 3); // [B, F, T, 1]
    stages.forEach((stage, i) => {
      h = runStage(stage, h, options); // [B, F/2ⁱ, T/2ⁱ, C]
      maps[`stage${i + 1}`] = h;
    });
    const steps = tf.reshape(tf.transpose(h, [0, 2, 1, 3]), [x.shape[0]!, -1, convWidth]); // [B, T′, mel·C + channel]
    const hidden = tf.relu(first.forward(steps, options));
    const dropped = drop.forward(hidden, forked(options, 'fc.2'));
    const top = tf.relu(second.forward(dropped, options)); // [B, T′, D]
    const frames = version === '2020' ? top : tf.concat([steps, top], 2);
    const wanted = options.maps?.filter((name) => name in maps) ?? [];
    return {
      clip: poolTime(frames, options.lengths && tf.floorDiv(options.lengths, stride)),
      frames,
      maps: Object.fromEntries(wanted.map((name) => [name, maps[name]!])),
    };
  };

  return {
    id: 'audio-ntt',
    config: parsed,
    params,
    width: frameWidth,
    frameWidth,
    frameStride: stride,
    forward,
    clone() {
      const copy = buildAudioNtt(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

/** Conv 3×3 → BN → ReLU → max pool 2. The pool comes before the ReLU, which is the same and four times cheaper. */
function runStage({ conv, norm }: Stage, x: Tensor, options: ForwardOptions): Tensor {
  const y = options.training ? norm.forward(conv.forward(x, options), options) : foldedStage(conv, norm, x);
  return tf.relu(tf.maxPool(asTensor4D(y, 'audio-ntt'), 2, 2, 'valid'));
}

/** In evaluation the norm is a gain and an offset a channel: they go into the kernel, which saves two passes over the map. */
function foldedStage(conv: Layer, norm: Layer, x: Tensor): Tensor {
  const [weight, bias] = [conv.params.get('weight')!, conv.params.get('bias')!];
  const { scale, shift } = foldedBatchNorm({
    weight: norm.params.get('weight'),
    bias: norm.params.get('bias'),
    mean: norm.params.get('running_mean')!,
    variance: norm.params.get('running_var')!,
    eps: 1e-5,
  });
  const kernel = tf.mul(weight, scale) as Tensor4D; // [3, 3, in, C]·[C]
  return tf.add(tf.conv2d(asTensor4D(x, 'audio-ntt'), kernel, 1, 1), tf.add(tf.mul(bias, scale), shift));
}

/** max + mean over time [B, T′, D] → [B, D]; `valid` [B] frames of each row when given (values are ≥ 0, so 0 never wins). */
function poolTime(frames: Tensor, valid?: Tensor): Tensor {
  if (!valid) return tf.add(tf.max(frames, 1), tf.mean(frames, 1));
  const count = tf.maximum(tf.reshape(tf.cast(valid, 'float32'), [-1, 1]), 1); // [B, 1]
  const mask = tf.cast(tf.less(tf.range(0, frames.shape[1]!, 1, 'float32'), count), 'float32'); // [B, T′]
  const held = tf.mul(frames, tf.expandDims(mask, 2));
  return tf.add(tf.max(held, 1), tf.div(tf.sum(held, 1), count));
}
