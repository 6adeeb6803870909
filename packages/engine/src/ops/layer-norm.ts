/** Layer normalisation: Ba et al., arXiv 1607.06450v1; torch's conventions (biased variance, epsilon inside the root). */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';
import { defineGradient, hasKernel, none, runKernel } from './kernel.ts';

export interface LayerNormOptions {
  /** Added to the variance inside the root. Default 1e-5. */
  readonly epsilon?: number;
  /** Added to x first, times `shortcutScale`; of x's shape. */
  readonly shortcut?: Tensor | undefined;
  /** α of DeepNorm. Default 1. */
  readonly shortcutScale?: number;
}

type Attrs = Readonly<Record<string, number | boolean>>;

/** Gradients in x (and the shortcut, where it is another), gain and offset. */
function gradients(
  x: Tensor,
  shortcut: Tensor | undefined,
  [gamma, stats]: readonly [Tensor, Tensor],
  [dy, dSum]: readonly [Tensor, Tensor | undefined],
  scale: number,
) {
  const inputs = { x, shortcut: shortcut ?? none(), dy, dSum: dSum ?? none(), gamma, stats };
  const [dx, dShortcut, dGamma, dBeta] = runKernel('LayerNormGrad', inputs, { scale });
  return {
    x: () => dx!,
    shortcut: () => (dShortcut!.size === 0 ? tf.clone(dx!) : dShortcut!),
    gamma: () => dGamma!,
    beta: () => dBeta!,
  };
}

defineGradient({
  kernel: 'LayerNorm',
  inputs: ['x', 'shortcut', 'gamma'],
  outputs: [false, false, true],
  gradient: ([, dy], saved, attrs) => {
    const [x, shortcut, gamma, stats] = saved as [Tensor, Tensor, Tensor, Tensor];
    return gradients(x, shortcut, [gamma, stats], [dy!, undefined], Number(attrs['scale']));
  },
});

defineGradient({
  kernel: 'AddLayerNorm',
  inputs: ['gamma'],
  outputs: [true, false, true],
  gradient: ([dSum, dy], saved) => {
    const [gamma, sum, stats] = saved as [Tensor, Tensor, Tensor];
    return gradients(sum, undefined, [gamma, stats], [dy!, dSum!], 1);
  },
});

/**
 * Over the last axis: y = (s − mean)/√(variance + ε)·gain + offset, with s = x + α·shortcut. The tape keeps x, the shortcut, and two
 * numbers a row.
 * @param x […, D], not empty
 * @param gain [D]
 * @param offset [D]
 */
export function layerNorm(x: Tensor, gain: Tensor, offset: Tensor, options: LayerNormOptions = {}): Tensor {
  const { epsilon = 1e-5, shortcut, shortcutScale = 1 } = options;
  return tf.tidy(() => {
    if (!hasKernel('LayerNorm')) {
      const scaled = shortcut && shortcutScale !== 1 ? tf.mul(shortcut, shortcutScale) : shortcut;
      return composed(scaled ? tf.add(x, scaled) : x, gain, offset, epsilon);
    }
    const attrs: Attrs = { epsilon, scale: shortcutScale, keepSum: false };
    return runKernel('LayerNorm', { x, shortcut: shortcut ?? none(), gamma: gain, beta: offset }, attrs)[1]!;
  });
}

/** x + shortcut, which goes on as the next shortcut, and its norm: what stands between two branches that are normalised before. */
export function addLayerNorm(
  x: Tensor,
  shortcut: Tensor,
  gain: Tensor,
  offset: Tensor,
  epsilon = 1e-5,
): { readonly sum: Tensor; readonly y: Tensor } {
  return tf.tidy(() => {
    if (!hasKernel('AddLayerNorm')) {
      const sum = tf.add(x, shortcut);
      return { sum, y: composed(sum, gain, offset, epsilon) };
    }
    const attrs: Attrs = { epsilon, scale: 1, keepSum: true };
    const [sum, y] = runKernel('AddLayerNorm', { x, shortcut, gamma: gain, beta: offset }, attrs);
    return { sum: sum!, y: y! };
  });
}

/** As one operation: the tape keeps x̂, the inverse deviation and the gain, where eight small operations would keep eight tensors. */
function composed(x: Tensor, gain: Tensor, offset: Tensor, epsilon: number): Tensor {
  const run = tf.customGrad((...args) => {
    const [h, weight, bias, save] = args as unknown as [Tensor, Tensor, Tensor, (kept: Tensor[]) => void];
    const centered = tf.sub(h, tf.mean(h, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon)); // […, 1]
    const normal = tf.mul(centered, inverse);
    save([normal, inverse, weight]);
    return { value: tf.add(tf.mul(normal, weight), bias), gradFunc: composedGradient };
  });
  return run(x, gain, offset);
}

function composedGradient(dy: Tensor, saved: Tensor[]): Tensor[] {
  const [normal, inverse, weight] = saved as [Tensor, Tensor, Tensor];
  const width = weight.shape[0]!;
  const rows = (t: Tensor) => tf.reshape(t, [-1, width]);
  const dNormal = tf.mul(dy, weight);
  const along = tf.mul(normal, tf.mean(tf.mul(dNormal, normal), -1, true));
  const dx = tf.mul(tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), along), inverse);
  return [dx, tf.sum(rows(tf.mul(dy, normal)), 0), tf.sum(rows(dy), 0)];
}
