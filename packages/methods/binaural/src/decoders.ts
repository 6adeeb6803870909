/**
 * What the network of the ears is asked afterwards: which class of source is where in the picture (semantic prediction), and what a
 * second pair of ears hears differently (spatial sound super-resolution), both of Vasudevan, Dai, Van Gool, ECCV 2020, arXiv 2003.04210.
 *
 * The published decoders are for pictures of 480 × 960 and spectrograms of 257 × 601, and regress spectra from log power, which holds
 * no phase. Ours are perceptrons on features and a place (column and row; bin), and predict complex masks of the spectra that were heard.
 *
 * Legend: B windows, D features, H × W pixels, K classes with the background, E = 2 ears, F bins, T frames, S steps of the network.
 */
import { type Backbone, type Params, type Rng, type Scalar, type Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { linear } from '@unlabel/nn';

/** Features of a window that decoders take. */
export interface Heard {
  /** [B, D] */
  readonly clip: Tensor;
  /** The last maps of both ears, means over their bins [B, S, D]. */
  readonly steps: Tensor;
}

/** x [B, 2, F, T]; `stages` layers has the network. Call inside `tf.tidy`. */
export function hear(backbone: Backbone, x: Tensor, stages: number, training: boolean): Heard {
  const names = ['left', 'right'].map((ear) => `${ear}.conv${stages}`);
  const { clip, maps } = backbone.forward(x, { training, maps: names });
  return { clip, steps: tf.concat(names.map((name) => tf.mean(maps![name]!, 1)), 2) }; // prettier-ignore
}

export interface Decoder {
  readonly params: Params;
  forward(heard: Heard): Tensor;
}

/** Σ over features and place, ReLU, a layer of `hidden`, ReLU, then `heads` layers: z [N, D], places [P, C] → [N, P, outputs] each. */
function placeMlp(inputs: number, places: Tensor, hidden: number, heads: readonly number[], rng: Rng) {
  const layers = {
    features: linear(inputs, hidden, rng.fork('features')),
    place: linear(places.shape[1]!, hidden, rng.fork('place'), { hasBias: false }),
    hidden: linear(hidden, hidden, rng.fork('hidden')),
    ...Object.fromEntries(heads.map((outputs, i) => [`output${i}`, linear(hidden, outputs, rng.fork(`output${i}`))])),
  };
  const outputs = Object.entries(layers).flatMap(([name, layer]) => (name.startsWith('output') ? [layer] : []));
  return {
    params: mergeParams(...Object.entries(layers).map(([name, layer]) => prefixed(name, layer.params))),
    forward(z: Tensor): Tensor[] {
      const options = { training: true };
      const [rows, count] = [z.shape[0]!, places.shape[0]!];
      const own = tf.reshape(layers.features.forward(z, options), [rows, 1, hidden]);
      const first = tf.relu(tf.add(own, layers.place.forward(places, options))); // [N, P, hidden]
      const second = tf.relu(layers.hidden.forward(tf.reshape(first, [rows * count, hidden]), options));
      return outputs.map((head, i) => tf.reshape(head.forward(second, options), [rows, count, heads[i]!]));
    },
  };
}

/** Places as powers and waves of −1…1, which a small perceptron can bend as it needs. [n, 5] */
const along = (n: number): number[][] =>
  Array.from({ length: n }, (_, i) => {
    const x = n === 1 ? 0 : (2 * i) / (n - 1) - 1;
    return [x, Math.sin(Math.PI * x), Math.cos(Math.PI * x), Math.sin(2 * Math.PI * x), Math.cos(2 * Math.PI * x)];
  });

export interface SemanticShape {
  readonly inputs: number;
  readonly hidden: number;
  readonly classes: number;
  /** H, W */
  readonly size: readonly [number, number];
}

/** → logits [B, H, W, K]. Owns a constant besides its parameters: dispose `places`. */
export function semanticDecoder({ inputs, hidden, classes, size: [height, width] }: SemanticShape, rng: Rng) {
  const [rows, columns] = [along(height), along(width)];
  const places = tf.tensor2d(rows.flatMap((row) => columns.map((column) => [...row, ...column])));
  const mlp = placeMlp(inputs, places, hidden, [classes], rng);
  const forward = ({ clip }: Heard): Tensor => tf.reshape(mlp.forward(clip)[0]!, [-1, height, width, classes]);
  return { params: mlp.params, forward, places };
}

/** Of a pixel's cross entropy, where nothing is: discs are about a twentieth of a picture, and few pixels may be called one for nothing. */
const backgroundWeight = 0.1;

/** Cross entropy of logits [B, H, W, K] with classes [B, H, W] of pixels, the background (0) weighing a tenth. */
export function semanticLoss(logits: Tensor, truth: Tensor): Scalar {
  const classes = logits.shape[3]!;
  const hot = tf.oneHot(tf.cast(truth, 'int32'), classes);
  const entropy = tf.sub(tf.logSumExp(logits, 3), tf.sum(tf.mul(hot, logits), 3));
  const weight = tf.where(tf.greater(truth, 0), tf.onesLike(truth), tf.fill(truth.shape, backgroundWeight));
  return tf.div(tf.sum(tf.mul(entropy, weight)), tf.sum(weight));
}

export interface MaskShape {
  readonly inputs: number;
  readonly hidden: number;
  readonly bins: number;
  readonly frames: number;
}

/** Weights of `steps` evenly spaced values at `frames` places, linear between their middles [1, T, S]. */
function interpolation(frames: number, steps: number): Tensor {
  const weights = new Float32Array(frames * steps);
  for (let t = 0; t < frames; t++) {
    const at = Math.min(steps - 1, Math.max(0, ((t + 0.5) * steps) / frames - 0.5));
    const below = Math.min(steps - 1, Math.floor(at));
    weights[t * steps + below]! += 1 - (at - below);
    if (below + 1 < steps) weights[t * steps + below + 1]! += at - below;
  }
  return tf.tensor3d(weights, [1, frames, steps]);
}

/**
 * → complex masks [B, 4, T, F]: real and imaginary part of the left ear's, then of the right one's; linear in time between the steps
 * of the network.
 */
export function maskDecoder({ inputs, hidden, bins, frames }: MaskShape, rng: Rng) {
  const places = tf.tensor2d(along(bins));
  const mlp = placeMlp(inputs, places, hidden, [1, 1, 1, 1], rng);
  const forward = ({ steps }: Heard): Tensor => {
    const [rows, count, width] = steps.shape as [number, number, number];
    const flat = tf.reshape(steps, [rows * count, width]);
    const weights = tf.tile(interpolation(frames, count), [rows, 1, 1]); // [B, T, S]
    return tf.stack(
      mlp.forward(flat).map((plane) => tf.matMul(weights, tf.reshape(plane, [rows, count, bins]))),
      1,
    );
  };
  return { params: mlp.params, forward, places };
}

/** Complex products of masks and spectra, both [B, 4, T, F]. */
export function masked(mask: Tensor, heard: Tensor): Tensor {
  const [a, b, c, d] = tf.unstack(mask, 1);
  const [p, q, r, s] = tf.unstack(heard, 1);
  const real = (x: Tensor, y: Tensor, u: Tensor, v: Tensor): Tensor => tf.sub(tf.mul(x, u), tf.mul(y, v));
  const imaginary = (x: Tensor, y: Tensor, u: Tensor, v: Tensor): Tensor => tf.add(tf.mul(x, v), tf.mul(y, u));
  return tf.stack(
    [real(a!, b!, p!, q!), imaginary(a!, b!, p!, q!), real(c!, d!, r!, s!), imaginary(c!, d!, r!, s!)],
    1,
  );
}

/** Squared error of the differences that masks give, as a share of that of silence. All [B, 4, T, F]. */
export const superResolutionLoss = (mask: Tensor, heard: Tensor, difference: Tensor): Scalar =>
  tf.div(tf.sum(tf.square(tf.sub(masked(mask, heard), difference))), tf.sum(tf.square(difference)));
