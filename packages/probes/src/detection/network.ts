/**
 * The detection probe's network: a feature pyramid over a backbone's levels (Lin et al., "Feature Pyramid Networks", CVPR 2017,
 * arXiv 1612.03144v2) and FCOS's head (arXiv 1904.01355v5, §3.2), shared by the levels, with group norm.
 *
 * Legend: B images, H, W places of a level, L of all, C channels of a level's map, K classes.
 */
import type { Params, Rng, Tensor, Variable } from '@unlabel/core';
import { init, mergeParams, parameter, prefixed, tf } from '@unlabel/engine';
import { conv2d, convolve, groupNorm, sequential, stateless, type Layer } from '@unlabel/nn';
import type { DetectionConfig } from './config.ts';
import type { DetectionOutputs } from './loss.ts';
import { repeatPlaces } from './maps.ts';

/** Mean and one over the deviation of each channel of a level [C]. */
export interface ChannelScale {
  readonly mean: Float32Array;
  readonly inverse: Float32Array;
}

export interface DetectionNetwork {
  readonly params: Params;
  /** Maps [B, H, W, C] of each level → outputs of all places, image after image [B·L, …]. Call inside `tf.tidy`. */
  forward(levels: readonly Tensor[]): DetectionOutputs;
}

/** Channels of a group norm's group. */
const perGroup = 8;
/** e⁶ strides reach beyond any image; more would overflow. */
const largestExponent = 6;

export function detectionNetwork(
  scales: readonly ChannelScale[],
  classes: number,
  config: Pick<DetectionConfig, 'channels' | 'convolutions' | 'prior' | 'strides'>,
  rng: Rng,
): DetectionNetwork {
  const { channels, convolutions, prior, strides } = config;
  const fixed = scales.map(({ mean, inverse }) => ({ mean: frozen(mean), inverse: frozen(inverse) }));
  const laterals = scales.map(({ mean }, i) => conv2d(mean.length, channels, 1, rng.fork(`lateral${i}`)));
  const outputs = scales.map((_, i) => conv2d(channels, channels, 3, rng.fork(`output${i}`), { padding: 1 }));
  const tower = (name: string): Layer =>
    sequential(
      Array.from({ length: convolutions }, (_, i) => [
        conv2d(channels, channels, 3, rng.fork(name).fork(i), { padding: 1 }),
        groupNorm(channels, channels / perGroup),
        stateless((x) => tf.relu(x)),
      ]).flat(),
    );
  const [classTower, boxTower] = [tower('classes'), tower('boxes')];
  const logits = output(channels, classes, -Math.log((1 - prior) / prior), rng.fork('logits'));
  const distances = output(channels, 4, 0, rng.fork('distances'));
  const centerness = output(channels, 1, 0, rng.fork('centerness'));
  const levelScales = parameter(init.ones([strides.length])); // s_i of §3.2
  const params = mergeParams(
    ...fixed.map(({ mean, inverse }, i) => new Map([[`standard${i}.mean`, mean], [`standard${i}.inverse`, inverse]])), // prettier-ignore
    ...laterals.map((layer, i) => prefixed(`lateral${i}`, layer.params)),
    ...outputs.map((layer, i) => prefixed(`output${i}`, layer.params)),
    prefixed('classes', classTower.params),
    prefixed('boxes', boxTower.params),
    prefixed('logits', logits.params),
    prefixed('distances', distances.params),
    prefixed('centerness', centerness.params),
    new Map([['scales', levelScales]]),
  );
  const call = { training: true };

  /** Levels of one width, each with what the coarser ones say. */
  const pyramid = (levels: readonly Tensor[]): Tensor[] => {
    let above: Tensor | undefined;
    const merged: Tensor[] = [];
    for (let i = levels.length - 1; i >= 0; i--) {
      const { mean, inverse } = fixed[i]!;
      const own = laterals[i]!.forward(tf.mul(tf.sub(levels[i]!, mean), inverse), call); // [B, H, W, channels]
      above = above === undefined ? own : tf.add(own, repeatPlaces(above, own.shape[1]! / above.shape[1]!));
      merged[i] = above;
    }
    return merged.map((map, i) => outputs[i]!.forward(map, call));
  };

  return {
    params,
    forward(levels) {
      const perLevel = pyramid(levels).map((map, i) => {
        const flat = (t: Tensor): Tensor => tf.reshape(t, [t.shape[0]!, -1, t.shape[3]!]); // [B, H·W, …]
        const ofBoxes = boxTower.forward(map, call);
        const exponent = tf.mul(distances.forward(ofBoxes, call), tf.slice(levelScales, [i], [1]));
        return {
          classes: flat(logits.forward(classTower.forward(map, call), call)),
          distances: flat(tf.mul(tf.exp(tf.minimum(exponent, largestExponent)), strides[i]!)),
          centerness: flat(centerness.forward(ofBoxes, call)),
        };
      });
      const joined = (key: keyof DetectionOutputs): Tensor =>
        tf.concat(
          perLevel.map((one) => one[key]),
          1,
        ); // [B, L, …]
      return {
        classes: tf.reshape(joined('classes'), [-1, classes]),
        distances: tf.reshape(joined('distances'), [-1, 4]),
        centerness: tf.reshape(joined('centerness'), [-1]),
      };
    },
  };
}

const frozen = (values: Float32Array): Variable =>
  parameter({ data: values, shape: [values.length] }, { trainable: false });

/** The 3×3 convolution of an output: N(0, 0.01²), a bias of its own. */
function output(inputs: number, outputs: number, offset: number, rng: Rng): Layer {
  const weight = parameter(init.normal([outputs, inputs, 3, 3], 0.01, rng), { layout: 'conv2d' });
  const bias = parameter({ data: new Float32Array(outputs).fill(offset), shape: [outputs] });
  return {
    params: new Map([['weight', weight], ['bias', bias]]), // prettier-ignore
    forward: (x) => tf.add(convolve(x, weight, { stride: 1, padding: 1 }), bias),
  };
}
