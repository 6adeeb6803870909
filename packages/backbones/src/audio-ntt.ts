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
import {
  batchNormReluPool,
  convStageEval,
  convStageTrain,
  copyParams,
  dense,
  maxMeanTime,
  mergeParams,
  prefixed,
  tf,
  type Tensor4D,
} from '@unlabel/engine';
import { batchNorm, conv2d, dropout, forked, linear, type BatchNorm, type Conv2d, type Layer } from '@unlabel/nn';

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
  readonly conv: Conv2d;
  readonly norm: BatchNorm;
}

export interface AudioNttForwardOptions extends ForwardOptions {
  /** Rows are this many equal runs (views in one batch) with batch statistics of their own. Default: one. */
  readonly groups?: number;
  /**
   * Convolutions and linear layers sum over their inputs in this many parts (a divisor of 64) when training. Default 1. Sums of fewer
   * terms round less: where two candidates of a pool are nearer than float32 rounding, or a unit is nearer to 0, this decides
   * which takes the gradient.
   */
  readonly parts?: number;
}

export interface AudioNtt extends Backbone {
  forward(x: Tensor, options: AudioNttForwardOptions): Features;
  clone(): AudioNtt;
}

/** Feature maps offered by name: `stage1`, `stage2`, `stage3` [B, F/2ⁱ, T/2ⁱ, C]. */
export const audioNtt: BackboneFamily = { id: 'audio-ntt', build: buildAudioNtt };

export function buildAudioNtt(config: Readonly<Record<string, unknown>>, rng: Rng): AudioNtt {
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
  const first = linear(convWidth, width, rng.fork('fc.0'), { relu: true });
  const second = linear(width, width, rng.fork('fc.3'), { relu: true });
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

  const forward = (x: Tensor, options: AudioNttForwardOptions): Features => {
    const [, f, t = 0] = x.shape;
    if (x.rank !== 3 || f !== bands || t < stride) {
      throw new ConfigError(
        `audio-ntt: input is [${x.shape.join(', ')}]; expected [rows, ${bands}, ${stride} frames or more]`,
      );
    }
    const maps: Record<string, Tensor> = {};
    let h: Tensor = tf.expandDims(x, 3); // [B, F, T, 1]
    stages.forEach((stage, i) => {
      const name = `stage${i + 1}`;
      h = runStage(stage, h, options); // [B, F/2ⁱ, T/2ⁱ, C]
      if (options.lateral) h = options.lateral(name, h);
      maps[name] = h;
    });
    const steps = tf.reshape(tf.transpose(h, [0, 2, 1, 3]), [x.shape[0]!, -1, convWidth]); // [B, T′, mel·C + channel]
    const parts = options.training ? (options.parts ?? 1) : 1;
    const apply = (layer: Layer, h: Tensor) =>
      parts === 1 ? layer.forward(h, options) : denseInParts(h, layer.params, parts);
    const hidden = apply(first, steps);
    const dropped = drop.forward(hidden, forked(options, 'fc.2'));
    const top = apply(second, dropped); // [B, T′, D]
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
    frameHalo: stride, // three 3-tap convolutions at strides 1, 2, 4 reach 1 + 2 + 4 frames
    mapWidths: Object.fromEntries(stages.map((_, i) => [`stage${i + 1}`, CHANNELS])),
    poolFrames: (frames) => poolTime(frames),
    forward,
    clone() {
      const copy = buildAudioNtt(parsed, rng);
      copyParams(params, copy.params);
      return copy;
    },
  };
}

/** Conv 3×3 → BN → ReLU → max pool 2. */
function runStage({ conv, norm }: Stage, x: Tensor, { training, groups, parts = 1 }: AudioNttForwardOptions): Tensor {
  const weights = { kernel: conv.weight, bias: conv.bias, gamma: norm.weight!, beta: norm.bias! };
  if (!training) return convStageEval(x, weights, { mean: norm.mean, variance: norm.variance, epsilon: norm.eps });
  const split = groups === undefined ? {} : { groups };
  const stage =
    parts === 1
      ? convStageTrain(x, weights, { epsilon: norm.eps, ...split })
      : batchNormReluPool(convInParts(x, conv, parts), norm.weight!, norm.bias!, { epsilon: norm.eps, ...split });
  norm.updateRunning(stage, x.size / x.shape.at(-1)! / (groups ?? 1));
  return stage.y;
}

/** The convolution as a sum over runs of input channels, added in pairs. */
function convInParts(x: Tensor, { weight, bias }: Conv2d, parts: number): Tensor {
  const isWhole = x.shape[3] === 1;
  const inputs = isWhole ? [x] : tf.split(x, parts, 3);
  const kernels = isWhole ? [weight] : tf.split(weight, parts, 2);
  const sum = addPairs(inputs.map((part, i) => tf.conv2d(part as Tensor4D, kernels[i] as Tensor4D, 1, 'same')));
  return bias ? tf.add(sum, bias) : sum;
}

/** ReLU(x·Wᵀ + b) as a sum over runs of inputs. */
function denseInParts(x: Tensor, params: Params, parts: number): Tensor {
  const inputs = tf.split(x, parts, x.rank - 1);
  const weights = tf.split(params.get('weight')!, parts, 1);
  const sum = addPairs(inputs.map((part, i) => dense(part, weights[i]!, undefined, { transposeKernel: true })));
  return tf.relu(tf.add(sum, params.get('bias')!));
}

/** Sum of equal shapes, neighbours first. */
function addPairs(terms: readonly Tensor[]): Tensor {
  if (terms.length === 1) return terms[0]!;
  const half = Math.ceil(terms.length / 2);
  return tf.add(addPairs(terms.slice(0, half)), addPairs(terms.slice(half)));
}

/** max + mean over time [B, T′, D] → [B, D]; `valid` [B] frames of each row when given (values are ≥ 0, so 0 never wins). */
function poolTime(frames: Tensor, valid?: Tensor): Tensor {
  if (!valid) return maxMeanTime(frames);
  const count = tf.maximum(tf.reshape(tf.cast(valid, 'float32'), [-1, 1]), 1); // [B, 1]
  const mask = tf.cast(tf.less(tf.range(0, frames.shape[1]!, 1, 'float32'), count), 'float32'); // [B, T′]
  const held = tf.mul(frames, tf.expandDims(mask, 2));
  return tf.add(tf.max(held, 1), tf.div(tf.sum(held, 1), count));
}
