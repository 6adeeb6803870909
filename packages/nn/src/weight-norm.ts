/**
 * Weight normalisation: Salimans and Kingma, arXiv 1602.07868v3, Eq. 2: w = g·v/‖v‖. Two spellings are on disk: `weight_g`, `weight_v` (torch's
 * old `nn.utils.weight_norm`) and `parametrizations.weight.original0`, `.original1` (its new one); ours is the old.
 */
import { CheckpointError, sizeOf, type NdArray, type Rng, type Tensor } from '@unlabel/core';
import { dense, init, parameter, tf } from '@unlabel/engine';
import type { Layer } from './layer.ts';

const NEW = 'parametrizations.weight.original';

/** The new spelling's names in the old one; other names as they are. */
export const weightNormName = (name: string): string =>
  name.endsWith(`${NEW}0`)
    ? `${name.slice(0, -NEW.length - 1)}weight_g`
    : name.endsWith(`${NEW}1`)
      ? `${name.slice(0, -NEW.length - 1)}weight_v`
      : name;

/**
 * w of a magnitude and a direction in torch's layout, the norm taken over all axes but those on which the magnitude is longer than 1
 * (`dim` of torch: 0 for linear layers, 2 for wav2vec's and BEATs' convolution of positions). For weights that are only read.
 */
export function foldWeightNorm(magnitude: NdArray, direction: NdArray): NdArray {
  const { shape } = direction;
  const fits = magnitude.shape.length === shape.length && magnitude.shape.every((n, i) => n === 1 || n === shape[i]);
  if (!fits) {
    const [g, v] = [magnitude.shape.join(', '), shape.join(', ')];
    throw new CheckpointError(`foldWeightNorm: magnitude [${g}] does not fit direction [${v}]`);
  }
  const steps = magnitude.shape.map((n, axis) => (n === 1 ? 0 : sizeOf(magnitude.shape.slice(axis + 1))));
  const groupOf = (flat: number): number => {
    let [rest, group] = [flat, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      group += (rest % shape[axis]!) * steps[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return group;
  };
  const squares = new Float64Array(magnitude.data.length);
  direction.data.forEach((v, i) => (squares[groupOf(i)]! += v * v));
  const data = direction.data.map((v, i) => {
    const group = groupOf(i);
    return (v * magnitude.data[group]!) / Math.sqrt(squares[group]!);
  });
  return { data, shape };
}

export interface WeightNormOptions {
  /** False keeps every magnitude at 1, as DINO's `norm_last_layer`. Default true. */
  readonly trainsMagnitude?: boolean;
}

/** x·wᵀ without a bias, each row of w of length g; parameters `weight_g` [out, 1] and `weight_v` [out, in]. x […, in] → […, out] */
export function weightNormLinear(inputs: number, outputs: number, rng: Rng, options: WeightNormOptions = {}): Layer {
  const trainable = options.trainsMagnitude ?? true;
  const magnitude = parameter(init.ones([outputs, 1]), { trainable });
  const direction = parameter(init.kaimingUniform([outputs, inputs], rng.fork('weight_v')));
  return {
    params: new Map([['weight_g', magnitude], ['weight_v', direction]]), // prettier-ignore
    forward(x) {
      const length: Tensor = tf.sqrt(tf.sum(tf.square(direction), 1, true)); // [out, 1]
      return dense(x, tf.mul(direction, tf.div(magnitude, length)), undefined, { transposeKernel: true });
    },
  };
}
