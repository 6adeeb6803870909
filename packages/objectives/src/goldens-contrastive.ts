/** Targets of the goldens of NT-Xent, SimSiam and the prediction of transformations. */
import type { GoldenTarget, GoldenTargets, GoldenTools, NdArray, Scalar, Tensor } from '@unlabel/core';
import { tf } from '@unlabel/engine';
import { binaryCrossEntropy } from './binary-cross-entropy.ts';
import { ntXent } from './nt-xent.ts';
import { ntXentFloat64 } from './nt-xent-float64.ts';
import { simSiam } from './simsiam.ts';

type Outputs = Record<string, NdArray | number>;

const read = (tensor: Tensor): NdArray => ({ data: tensor.dataSync<'float32'>().slice(), shape: tensor.shape });
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);

/** Losses of MT-SLVR on fixed projections. */
const mtSlvrLosses: GoldenTarget = {
  run(_golden, tools) {
    const [z1, z2, p1, p2] = ['z1', 'z2', 'p1', 'p2'].map((name) =>
      asTensor(tools.tensor(`input:${name}`, [6, 20], 1)),
    ) as [Tensor, Tensor, Tensor, Tensor];
    const once = tf.cast(tf.greater(asTensor(tools.tensor('input:y', [6, 7], 1)), 0), 'float32');
    const contrast = tf.valueAndGrad((x: Tensor) => ntXent(x, z2, { temperature: 0.07 }).loss as Tensor)(z1);
    const siam = tf.valueAndGrad((x: Tensor) => simSiam({ p1: x, p2, z1, z2 }) as Tensor)(p1);
    return {
      'nt_xent.grad_z1': read(contrast.grad),
      'simsiam.grad_p1': read(siam.grad),
      'nt_xent_0.07': contrast.value.dataSync()[0]!,
      'nt_xent_0.5': ntXent(z1, z2, { temperature: 0.5 }).loss.dataSync()[0]!,
      simsiam: siam.value.dataSync()[0]!,
      bce: binaryCrossEntropy(
        asTensor(tools.tensor('input:logits', [12, 7], 3)),
        tf.concat([once, once]),
      ).dataSync()[0]!,
    };
  },
};

/** z₁ = a, z₂ = 0.8·a + 0.2·b of a golden's inputs, in float64. */
function views(name: string, shape: readonly number[], tools: GoldenTools): [Float64Array, Float64Array] {
  const input = (key: string): Float64Array => Float64Array.from(tools.tensor(`input:${name}.${key}`, shape, 1).data);
  const [a, b] = [input('a'), input('b')];
  return [a, a.map((value, i) => 0.8 * value + (1 - 0.8) * b[i]!)];
}

/** Targets hand over float32 by type; these references are float64, which the comparison reads just as well. */
const wide = (data: Float64Array, shape: readonly number[]): NdArray => ({
  data: data as unknown as Float32Array,
  shape,
});

/** Float64 references to 1e-9: met by the literal implementation, which the engine's loss is tested against. */
const simclrFloat64: GoldenTarget = {
  run(golden, tools) {
    const { N, D, temperatures } = golden.config as { N: number; D: number; temperatures: number[] };
    const outputs: Outputs = {};
    for (const temperature of temperatures) {
      const name = `T${temperature.toFixed(1)}`;
      const { loss, gradients, between } = ntXentFloat64(
        views(golden.name, [N, D], tools),
        { rows: N, width: D },
        { temperature, scale: 2 },
      );
      outputs[`${name}.loss_simclr_sum_of_two`] = loss;
      outputs[`${name}.loss_mean_of_2N`] = outputs[`${name}.lightly_ntxent`] = loss / 2;
      outputs[`${name}.grad_z1`] = wide(gradients[0], [N, D]);
      outputs[`${name}.grad_z2`] = wide(gradients[1], [N, D]);
      outputs[`${name}.logits_ab`] = wide(between, [N, N]);
    }
    return outputs;
  },
};

/** The official TensorFlow loss in float32: both directions summed. */
const simclrTensorflow: GoldenTarget = {
  run(golden, tools) {
    const { cases } = golden.config as { cases: readonly [number, number][] };
    const outputs: Outputs = {};
    cases.forEach(([rows, width], i) => {
      const [z1, z2] = views(`loss-simclr-ntxent-${i}`, [rows, width], tools);
      const hidden = tf.tensor(Float32Array.from([...z1, ...z2]), [2 * rows, width]);
      for (const temperature of [0.1, 0.5, 1]) {
        const { value, grad } = tf.valueAndGrad((x: Tensor) => {
          const [a, b] = tf.split(x, 2) as [Tensor, Tensor];
          return ntXent(a, b, { temperature, scale: 2 }).loss as Scalar;
        })(hidden);
        outputs[`case${i}.T${temperature.toFixed(1)}.loss`] = value.dataSync()[0]!;
        outputs[`case${i}.T${temperature.toFixed(1)}.grad`] = read(grad);
      }
    });
    return outputs;
  },
};

export const contrastiveGoldens: GoldenTargets = {
  'mtslvr-losses': mtSlvrLosses,
  'loss-simclr-ntxent-*': simclrFloat64,
  'loss-simclr-tf': simclrTensorflow,
};
