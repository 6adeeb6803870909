/**
 * HEAR's prediction network (hear.md §6.2; heareval 2021.1.3 `FullyConnectedPrediction`):
 * [Linear → BatchNorm → Dropout → ReLU] × layers → Linear, trained by Adam. One object is one grid point in training.
 *
 * Its arithmetic never depends on which other points train beside it, so a resumed run repeats an undisturbed one bit for bit.
 *
 * Legend: B rows of a batch, D embedding size, H hidden units, C classes.
 */
import type { Rng, Tensor } from '@unlabel/core';
import { adamWUpdate, batchNormTrain, dense, dropout, sparseDense, tf } from '@unlabel/engine';
import type { PredictionType } from '../linear/loss.ts';
import type { GridPoint } from './grid.ts';

/** Weights of a network on the CPU, by torch's kind of name: `hidden.0.weight` [D, H], `hidden.0.running_mean` [H], `output.bias` [C]. */
export type Weights = Readonly<Record<string, { readonly data: Float32Array; readonly shape: readonly number[] }>>;

export interface Network {
  /** One step of Adam on a batch: x [B, D], targets [B, C] of zeros and ones. */
  step(x: Tensor, targets: Tensor): void;
  /** Logits [B, C] with running statistics and without dropout. The caller disposes it. */
  logits(x: Tensor): Tensor;
  /** Remembers the weights as they are, instead of those remembered before: only references are kept. */
  keep(): void;
  /** The weights that were kept last, or where none were, the present ones. */
  weights(): Promise<Weights>;
  dispose(): void;
}

const momentum = 0.1;
const epsilon = 1e-5;
const adam = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0 };

interface Shape {
  readonly width: number;
  readonly classes: number;
  readonly predictionType: PredictionType;
}

/** A network as it is before training; what it draws comes from `rng` alone. */
export function createNetwork(point: GridPoint, shape: Shape, rng: Rng): Network {
  return networkOf(initialWeights(point, shape, rng.fork('init')), point, shape, rng.fork('dropout'));
}

/** A trained network, for scoring. */
export const restoreNetwork = (weights: Weights, point: GridPoint, shape: Shape, rng: Rng): Network =>
  networkOf(weights, point, shape, rng);

/**
 * Xavier with gain 1 for the first linear layer and √2 for the later ones, the output layer included (the gain of the activation
 * before it); biases keep torch's default, uniform within ±1/√fan-in.
 */
export function initialWeights(point: GridPoint, { width, classes }: Shape, rng: Rng): Weights {
  const weights: Record<string, { data: Float32Array; shape: number[] }> = {};
  const put = (name: string, shape: number[], draw: () => number): void => {
    const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
    for (let i = 0; i < data.length; i++) data[i] = draw();
    weights[name] = { data, shape };
  };
  const linear = (name: string, fanIn: number, fanOut: number, gain: number): void => {
    const stream = rng.fork(name);
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    const deviation = gain * Math.sqrt(2 / (fanIn + fanOut));
    const isNormal = point.initialization === 'xavier_normal_';
    put(`${name}.weight`, [fanIn, fanOut], () =>
      isNormal ? deviation * stream.normal() : stream.range(-bound, bound),
    );
    put(`${name}.bias`, [fanOut], () => stream.range(-1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn)));
  };
  let fanIn = width;
  for (let l = 0; l < point.hiddenLayers; l++) {
    linear(`hidden.${l}`, fanIn, point.hiddenDim, l === 0 ? 1 : Math.SQRT2);
    put(`norm.${l}.weight`, [point.hiddenDim], () => 1);
    put(`norm.${l}.bias`, [point.hiddenDim], () => 0);
    put(`norm.${l}.running_mean`, [point.hiddenDim], () => 0);
    put(`norm.${l}.running_var`, [point.hiddenDim], () => 1);
    fanIn = point.hiddenDim;
  }
  linear('output', fanIn, classes, point.hiddenLayers === 0 ? 1 : Math.SQRT2);
  return weights;
}

const isStatistic = (name: string): boolean => name.includes('.running_');

function networkOf(initial: Weights, point: GridPoint, shape: Shape, dropoutRng: Rng): Network {
  const tensors = new Map<string, Tensor>();
  for (const [name, { data, shape: dims }] of Object.entries(initial)) tensors.set(name, tf.tensor(data, [...dims]));
  const trainable = [...tensors.keys()].filter((name) => !isStatistic(name));
  const moments = new Map<string, readonly [Tensor, Tensor]>();
  let kept = new Map<string, Tensor>();
  let steps = 0;
  const of = (name: string): Tensor => tensors.get(name)!;

  const replace = (name: string, value: Tensor): void => {
    if (kept.get(name) !== of(name)) of(name).dispose();
    tensors.set(name, value);
  };

  /** Running statistics move to the batch's, with torch's unbiased variance. */
  const follow = (layer: number, mean: Tensor, variance: Tensor, rows: number): void => {
    const update = (name: string, value: Tensor, factor: number): void =>
      replace(
        name,
        tf.tidy(() => tf.add(tf.mul(of(name), 1 - momentum), tf.mul(value, momentum * factor))),
      );
    update(`norm.${layer}.running_mean`, mean, 1);
    update(`norm.${layer}.running_var`, variance, rows / (rows - 1));
  };

  return {
    step(x, targets) {
      steps++;
      const seeds = Array.from({ length: point.hiddenLayers }, () => dropoutRng.int(2 ** 32));
      const statistics: [Tensor, Tensor][] = [];
      const loss = (...values: Tensor[]): Tensor => {
        const get = (name: string): Tensor => values[trainable.indexOf(name)]!;
        let h = x;
        for (let l = 0; l < point.hiddenLayers; l++) {
          const layer = l === 0 ? dense : sparseDense; // more than half of what leaves a hidden layer is zero
          const z = layer(h, get(`hidden.${l}.weight`), get(`hidden.${l}.bias`));
          // ReLU after dropout as published: a mask scales by a positive number or zero, so the two commute.
          const { y, mean, variance } = batchNormTrain(z, get(`norm.${l}.weight`), get(`norm.${l}.bias`), {
            epsilon,
            relu: true,
          });
          statistics.push([tf.keep(mean), tf.keep(variance)]);
          h = dropout(y, point.dropout, seeds[l]!);
        }
        const logits = dense(h, get('output.weight'), get('output.bias'));
        return shape.predictionType === 'multiclass'
          ? crossEntropy(logits, targets)
          : binaryCrossEntropy(logits, targets);
      };
      const { value, grads } = tf.valueAndGrads(loss)(trainable.map(of));
      value.dispose();
      statistics.forEach(([mean, variance], layer) => {
        follow(layer, mean, variance, x.shape[0]!);
        tf.dispose([mean, variance]);
      });
      for (const [i, name] of trainable.entries()) {
        const [first, second] = moments.get(name) ?? [tf.zerosLike(of(name)), tf.zerosLike(of(name))];
        const [param, m, v] = adamWUpdate(of(name), grads[i]!, first, second, { ...adam, lr: point.lr, step: steps });
        tf.dispose([grads[i]!, first, second]);
        moments.set(name, [m, v]);
        replace(name, param);
      }
    },
    logits: (x) =>
      tf.tidy(() => {
        let h = x;
        for (let l = 0; l < point.hiddenLayers; l++) {
          const scale = tf.mul(of(`norm.${l}.weight`), tf.rsqrt(tf.add(of(`norm.${l}.running_var`), epsilon)));
          const z = dense(h, of(`hidden.${l}.weight`), of(`hidden.${l}.bias`));
          const centered = tf.sub(z, of(`norm.${l}.running_mean`));
          h = tf.relu(tf.add(tf.mul(centered, scale), of(`norm.${l}.bias`)));
        }
        return dense(h, of('output.weight'), of('output.bias'));
      }),
    keep() {
      for (const [name, tensor] of kept) if (tensor !== of(name)) tensor.dispose();
      kept = new Map(tensors);
    },
    async weights() {
      const weights: Record<string, { data: Float32Array; shape: readonly number[] }> = {};
      for (const [name, tensor] of kept.size > 0 ? kept : tensors) {
        weights[name] = { data: ((await tensor.data()) as Float32Array).slice(), shape: tensor.shape };
      }
      return weights;
    },
    dispose() {
      tf.dispose([...new Set([...tensors.values(), ...kept.values()]), ...[...moments.values()].flat()]);
    },
  };
}

/** Mean over rows of −log softmax at the one class of each. */
const crossEntropy = (logits: Tensor, targets: Tensor): Tensor =>
  tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), targets), 1)));

/** Mean over all entries of max(z, 0) − z·y + log(1 + e^−|z|). */
const binaryCrossEntropy = (logits: Tensor, targets: Tensor): Tensor =>
  tf.mean(tf.add(tf.sub(tf.relu(logits), tf.mul(logits, targets)), tf.softplus(tf.neg(tf.abs(logits)))));
