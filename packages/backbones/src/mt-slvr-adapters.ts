/**
 * Convolutions that several tasks share, each with a norm (and a 1×1 convolution) of its own: the residual adapters of MT-SLVR's
 * networks.
 *
 * Rebuffi, Bilen, Vedaldi, "Efficient parametrization of multi-domain deep neural networks", CVPR 2018, arXiv 1803.10082v1;
 * Heggan et al., "MT-SLVR: Multi-Task Self-Supervised Learning for Transformation In(Variant) Representations", Interspeech 2023, arXiv
 * 2305.17191. Names as CHeggan/MT-SLVR Models_@13b49c20.
 */
import type { Params, Rng, Tensor } from '@unlabel/core';
import { mergeParams, prefixed, tf } from '@unlabel/engine';
import { batchNorm, conv2d, type LayerOptions } from '@unlabel/nn';

export type AdapterKind = 'bn' | 'series' | 'parallel';

export interface AdaptedConv {
  readonly params: Params;
  /** x [B, H, W, in] → [B, H′, W′, out], through the adapters of one task. */
  forward(x: Tensor, task: number, options: LayerOptions): Tensor;
}

export interface AdaptedConvOptions {
  readonly kind: AdapterKind;
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
  /** Sets of adapters. */
  readonly tasks: number;
  /** A ReLU behind the norm. */
  readonly relu: boolean;
}

/**
 * bn: BN_t(u) with u = 3×3(x); series: BN_t(u + 1×1_t(BN′_t(u))); parallel: BN_t(u + 1×1_t(x)).
 * In evaluation everything linear stays linear, so it is computed as it stands.
 */
export function adaptedConv({ kind, inputs, outputs, stride, tasks, relu }: AdaptedConvOptions, rng: Rng): AdaptedConv {
  const conv = conv2d(inputs, outputs, 3, rng.fork('conv'), {
    stride,
    padding: 1,
    hasBias: false,
    init: 'kaimingFanOut',
  });
  const sets = Array.from({ length: tasks }, (_, t) => {
    const norm = batchNorm(outputs, { relu });
    const pointwise = (from: number) =>
      conv2d(from, outputs, 1, rng.fork(`pointwise.${t}`), { hasBias: false, init: 'kaimingFanOut' });
    switch (kind) {
      case 'bn':
        return {
          params: prefixed(`bns.${t}`, norm.params),
          apply: (_x: Tensor, u: Tensor, options: LayerOptions) => norm.forward(u, options),
        };
      case 'series': {
        const inner = batchNorm(outputs);
        const adapter = pointwise(outputs);
        return {
          params: mergeParams(
            prefixed(`bns.${t}.0.conv.0`, inner.params),
            prefixed(`bns.${t}.0.conv.1`, adapter.params),
            prefixed(`bns.${t}.1`, norm.params),
          ),
          apply: (_x: Tensor, u: Tensor, options: LayerOptions) =>
            norm.forward(tf.add(u, adapter.forward(inner.forward(u, options), options)), options),
        };
      }
      case 'parallel': {
        const adapter = pointwise(inputs);
        return {
          params: mergeParams(prefixed(`parallel_conv.${t}.conv`, adapter.params), prefixed(`bns.${t}`, norm.params)),
          apply: (x: Tensor, u: Tensor, options: LayerOptions) =>
            norm.forward(tf.add(u, adapter.forward(stride === 1 ? x : everySecond(x), options)), options),
        };
      }
    }
  });
  return {
    params: mergeParams(prefixed('conv', conv.params), ...sets.map(({ params }) => params)),
    forward: (x, task, options) => sets[task]!.apply(x, conv.forward(x, options), options),
  };
}

/**
 * What a 1×1 convolution with stride 2 looks at: [B, H, W, C] → [B, ⌈H/2⌉, ⌈W/2⌉, C]. By reshaping, because the native engine's gradient of
 * a kernel smaller than its stride is not the same twice.
 */
function everySecond(x: Tensor): Tensor {
  const [rows, height, width, channels] = x.shape as [number, number, number, number];
  const even = tf.pad(x, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]]); // prettier-ignore
  const [h, w] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const lines = tf.slice(tf.reshape(even, [rows * h, 2, 2 * w * channels]), [0, 0, 0], [-1, 1, -1]);
  const points = tf.slice(tf.reshape(lines, [rows * h * w, 2, channels]), [0, 0, 0], [-1, 1, -1]);
  return tf.reshape(points, [rows, h, w, channels]);
}

/**
 * A shortcut without weights: each half of the picture's sides averaged as torch's adaptive pooling does (bin i reaches from ⌊i·H/h⌋ to
 * ⌈(i+1)·H/h⌉, so bins of an odd side overlap), zeros for the channels that are new. [B, H, W, C] → [B, ⌈H/2⌉, ⌈W/2⌉, outputs]
 */
export function pooledShortcut(x: Tensor, outputs: number): Tensor {
  const [rows, height, width, channels] = x.shape as [number, number, number, number];
  const [h, w] = [Math.ceil(height / 2), Math.ceil(width / 2)];
  const byRows = tf.matMul(averaging(height, h), tf.reshape(x, [rows, height, width * channels])); // [B, h, W·C]
  const pooled = tf.matMul(averaging(width, w), tf.reshape(byRows, [rows * h, width, channels])); // [B·h, w, C]
  const map = tf.reshape(pooled, [rows, h, w, channels]);
  return tf.pad(map, [[0, 0], [0, 0], [0, 0], [0, outputs - channels]]); // prettier-ignore
}

/** [1, to, from], each row an average over its bin. */
function averaging(from: number, to: number): Tensor {
  const data = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const [start, end] = [Math.floor((i * from) / to), Math.ceil(((i + 1) * from) / to)];
    data.fill(1 / (end - start), i * from + start, i * from + end);
  }
  return tf.tensor(data, [1, to, from]);
}
