/** Targets of the loss goldens. */
import type { GoldenTarget, GoldenTargets, NdArray, Scalar, Tensor } from '@unlabel/core';
import { tf, toArrays } from '@unlabel/engine';
import { batchNorm } from '@unlabel/nn';
import { barlowTwins, type BarlowTwinsOptions } from './barlow-twins.ts';
import { barlowTwinsFloat64 } from './barlow-twins-float64.ts';
import { byolDecay } from './byol.ts';
import { byolFloat64 } from './byol-float64.ts';

const read = (tensor: Tensor): NdArray => ({
  data: tensor.dataSync<'float32'>().slice(),
  shape: tensor.shape,
});

/** LAPE's loss and Barlow Twins' on fixed projections; the norm's buffers see z1, z2, z1, z2. */
const barlowFixed: GoldenTarget = {
  async run(golden, tools) {
    const { B, D } = golden.config as { B: number; D: number };
    const [z1, z2] = ['z1', 'z2'].map((name) => {
      const { data, shape } = tools.tensor(`input:${name}`, [B, D], 1);
      return tf.tensor(data, [...shape]);
    }) as [Tensor, Tensor];
    const norm = batchNorm(D, { isAffine: false });
    const run = (options: BarlowTwinsOptions) => {
      const sums: Record<string, number> = {};
      const { value, grads } = tf.valueAndGrads((a: Tensor, b: Tensor) => {
        const [n1, n2] = [a, b].map((z) => norm.forward(z, { training: true })) as [Tensor, Tensor];
        const { loss, on, off } = barlowTwins(n1, n2, options);
        sums['on'] = on.dataSync()[0]!;
        sums['off'] = off.dataSync()[0]!;
        return loss as Scalar;
      })([z1, z2]);
      return { loss: value.dataSync()[0]!, gradients: grads.map(read), sums };
    };
    const lape = run({ lambdaOn: 5e-5, lambdaOff: 5e-5, scale: 1 / 32 });
    const original = run({ lambdaOn: 1, lambdaOff: 0.0051 });
    const buffers = await toArrays(norm.params);
    return {
      'lape.grad_z1': lape.gradients[0]!,
      'lape.grad_z2': lape.gradients[1]!,
      'bt.grad_z1': original.gradients[0]!,
      'bn.running_mean_after_4_forwards': buffers['running_mean']!,
      'bn.running_var_after_4_forwards': buffers['running_var']!,
      lape_loss: lape.loss,
      on: lape.sums['on']!,
      off: lape.sums['off']!,
      'barlow_twins_loss_0.0051': original.loss,
    };
  },
};

/** Targets hand over float32 by type; these references are float64, which the comparison reads just as well. */
const wide = (data: Float64Array, shape: readonly number[]): NdArray => ({
  data: data as unknown as Float32Array,
  shape,
});

/** Float64 references to 1e-9: met by the literal implementation, which the engine's loss is tested against. */
const barlowFloat64: GoldenTarget = {
  run(golden, tools) {
    const { N, D, lambd } = golden.config as { N: number; D: number; lambd: number };
    const input = (name: string) => Float64Array.from(tools.tensor(`input:${golden.name}.${name}`, [N, D], 1).data);
    const [a, b] = [input('a'), input('b')];
    const z2 = a.map((value, i) => 0.8 * value + (1 - 0.8) * b[i]!);
    const { loss, on, off, c, gradients, moments } = barlowTwinsFloat64(
      [a, z2],
      { rows: N, width: D },
      { lambdaOn: 1, lambdaOff: lambd },
    );
    const mean = new Float64Array(D);
    const variance = new Float64Array(D).fill(1);
    for (const view of moments) {
      mean.forEach((held, i) => (mean[i] = 0.9 * held + 0.1 * view.mean[i]!));
      variance.forEach((held, i) => (variance[i] = 0.9 * held + 0.1 * view.variance[i]!));
    }
    return {
      loss,
      on_diag: on,
      off_diag: off,
      C: wide(c, [D, D]),
      grad_z1: wide(gradients[0], [N, D]),
      grad_z2: wide(gradients[1], [N, D]),
      'bn.running_mean': wide(mean, [D]),
      'bn.running_var': wide(variance, [D]),
    };
  },
};

/** BYOL's loss and, as a quarter of it, SimSiam's, in float64; the schedule of the target's decay. */
const byolSimsiam: GoldenTarget = {
  run(golden, tools) {
    const { N, D } = golden.config as { N: number; D: number };
    const input = (name: string) => Float64Array.from(tools.tensor(`input:${golden.name}.${name}`, [N, D], 1).data);
    const views = { p1: input('p1'), p2: input('p2'), z1: input('z1'), z2: input('z2') };
    const { loss, gradients } = byolFloat64(views, N, D);
    const scaled = (gradient: Float64Array, by: number) =>
      wide(
        gradient.map((value) => value * by),
        [N, D],
      );
    return {
      'byol.loss': loss,
      'byol.grad_p1': scaled(gradients.p1, 1),
      'byol.grad_p2': scaled(gradients.p2, 1),
      'byol.tau_schedule': wide(
        Float64Array.from({ length: 11 }, (_, k) => byolDecay(k, 10, 0.996)),
        [11],
      ),
      'simsiam_vibcreg.loss': loss / 4,
      'simsiam_paper.loss': loss / 4 - 1,
      'simsiam_vibcreg.grad_p1': scaled(gradients.p1, 1 / 4),
      'simsiam_vibcreg.grad_p2': scaled(gradients.p2, 1 / 4),
      // stored twice as large as the derivative of the stated loss, as two backward passes into one buffer leave it
      'simsiam_vibcreg.grad_z2_leaks_when_not_detached': scaled(gradients.z2, 2 / 4),
    };
  },
};

export const goldens: GoldenTargets = {
  'barlow-fixed': barlowFixed,
  'loss-barlow-0': barlowFloat64,
  'loss-barlow-1': barlowFloat64,
  'loss-byol-simsiam-0': byolSimsiam,
  'loss-byol-simsiam-1': byolSimsiam,
};
