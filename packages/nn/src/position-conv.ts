/**
 * Positions by convolution: wav2vec 2.0 (Baevski et al., arXiv 2006.11477v3 §2), whose weight is normed over all axes but the kernel's
 * (Salimans and Kingma, arXiv 1602.07868v3, `dim=2` of torch). Names as fairseq: `weight_g`, `weight_v`, `bias`.
 *
 * Legend: B rows, N tokens, D width, K taps, G groups.
 */
import { ConfigError, type Rng, type Tensor } from '@unlabel/core';
import { asTensor4D, init, parameter, tf } from '@unlabel/engine';
import { gelu } from './gelu.ts';
import type { Layer } from './layer.ts';

export interface PositionConvOptions {
  readonly width: number;
  /** K. */
  readonly kernel: number;
  /** G: input channels are seen by their own group's outputs only. */
  readonly groups: number;
}

/**
 * GELU(conv(x)); ⌊K/2⌋ zeros before the first token, and as many outputs as tokens (with an even K, torch computes one more that fairseq
 * drops). First weights N(0, 4/(K·D)), no bias. x [B, N, D] → [B, N, D]
 */
export function positionConv({ width, kernel, groups }: PositionConvOptions, rng: Rng): Layer {
  if (width % groups !== 0) throw new ConfigError(`positionConv: width ${width} is no multiple of ${groups} groups`);
  const inputs = width / groups;
  const deviation = Math.sqrt(4 / (kernel * width));
  const first = init.truncNormal([width, inputs, kernel], deviation, rng.fork('weight_v'), Infinity); // cut nowhere
  const norms = new Float64Array(kernel);
  first.data.forEach((v, i) => (norms[i % kernel]! += v * v));
  const magnitude = parameter({ data: Float32Array.from(norms, Math.sqrt), shape: [1, 1, kernel] });
  const direction = parameter(first, { layout: 'conv1d' }); // [K, D/G, D]
  const bias = parameter(init.zeros([width]));
  return {
    params: new Map([['bias', bias], ['weight_g', magnitude], ['weight_v', direction]]), // prettier-ignore
    forward(x) {
      const length = tf.sqrt(tf.sum(tf.square(direction), [1, 2], true)); // [K, 1, 1]
      const weight = tf.mul(direction, tf.div(tf.reshape(magnitude, [kernel, 1, 1]), length));
      const before = Math.floor(kernel / 2);
      const padded = tf.pad(x, [[0, 0], [before, kernel - 1 - before], [0, 0]]); // prettier-ignore
      return gelu(tf.add(groupedConv(padded, weight, groups), bias));
    },
  };
}

/** x [B, M, D], kernel [K, D/G, D] → [B, M − K + 1, D]. One convolution a group: no engine here groups channels itself. */
function groupedConv(x: Tensor, kernel: Tensor, groups: number): Tensor {
  const image = tf.expandDims(x, 1); // [B, 1, M, D]
  const inputs = groups === 1 ? [image] : tf.split(image, groups, 3);
  const kernels = groups === 1 ? [kernel] : tf.split(kernel, groups, 2);
  const outputs = inputs.map((part, i) => {
    const filter = asTensor4D(tf.expandDims(kernels[i]!, 0), 'positionConv');
    return tf.conv2d(asTensor4D(part, 'positionConv'), filter, 1, 'valid');
  });
  return tf.squeeze(groups === 1 ? outputs[0]! : tf.concat(outputs, 3), [1]);
}
