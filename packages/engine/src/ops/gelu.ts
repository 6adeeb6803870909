/**
 * GELU: Hendrycks and Gimpel, arXiv 1606.08415v5: x·Φ(x), by the error function or by its tanh approximation, with the bias of the
 * linear layer before it.
 */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, runKernel } from './kernel.ts';

/** `erf` is torch's default; `tanh` is torch's `approximate='tanh'` and BERT's "new" GELU. */
export type GeluKind = 'erf' | 'tanh';

const SQRT_HALF = Math.SQRT1_2;
const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBIC = 0.044715;

defineGradient({
  kernel: 'Gelu',
  inputs: ['x', 'bias'],
  gradient: ([dy], [x, bias], attrs) => {
    const [dx, dBias] = runKernel('GeluGrad', { x: x!, bias: bias!, dy: dy! }, attrs);
    return { x: () => dx!, bias: () => dBias! };
  },
});

/**
 * x → h·Φ(h), h = x + bias. The tape keeps x and the bias alone.
 * @param x any shape
 * @param bias as long as the last axis of x
 */
export function gelu(x: Tensor, kind: GeluKind = 'erf', bias?: Tensor): Tensor {
  return tf.tidy(() => {
    if (!hasKernel('Gelu')) return composed(bias ? tf.add(x, bias) : x, kind);
    const held = x.rank === 0 ? tf.reshape(x, [1]) : x;
    const added = bias ?? tf.zeros([held.shape.at(-1)!]);
    const y = runKernel('Gelu', { x: held, bias: added }, { tanh: kind === 'tanh' })[0]!;
    return x.rank === 0 ? tf.reshape(y, []) : y;
  });
}

function composed(x: Tensor, kind: GeluKind): Tensor {
  const run = tf.customGrad((...args) => {
    const [h, save] = args as unknown as [Tensor, (kept: Tensor[]) => void];
    save([h]);
    return {
      value: tf.mul(h, kind === 'erf' ? phi(h) : phiTanh(h)),
      gradFunc: (dy: Tensor, saved: Tensor[]) => tf.mul(dy, kind === 'erf' ? slope(saved[0]!) : slopeTanh(saved[0]!)),
    };
  });
  return run(x);
}

/** Φ(x) = (1 + erf(x/√2))/2 */
const phi = (x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, SQRT_HALF)), 1), 0.5);

/** Φ(x) + x·φ(x) */
function slope(x: Tensor): Tensor {
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.add(phi(x), tf.mul(x, density));
}

const tanhOf = (x: Tensor): Tensor =>
  tf.tanh(tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), TANH_CUBIC), 1)), TANH_SCALE));
const phiTanh = (x: Tensor): Tensor => tf.mul(tf.add(tanhOf(x), 1), 0.5);

/** With t = tanh(u): (1 + t)/2 + x·(1 − t²)/2·u′, u′ = √(2/π)(1 + 3·0.044715·x²) */
function slopeTanh(x: Tensor): Tensor {
  const t = tanhOf(x);
  const inner = tf.mul(tf.add(tf.mul(tf.square(x), 3 * TANH_CUBIC), 1), TANH_SCALE / 2);
  return tf.add(tf.mul(tf.add(t, 1), 0.5), tf.mul(tf.mul(x, tf.sub(1, tf.square(t))), inner));
}
