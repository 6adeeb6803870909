/**
 * Convolutions with `precision: 'bf16'`: forward all of them (`ops/bfloat16_conv.cc`), and both gradients of those that are products, 1×1 with
 * stride 1. Gradients of other kernels stay what they are in float32 mode.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import { SMALLEST, bfloat16Product } from './bfloat16.ts';
import type { NodeBackend } from './kernels.ts';

type Shape = [number, number, number, number];
type Matrix = tfjs.Tensor2D;
/** A gradient's have no dilations. */
type ConvAttrs = Omit<tfjs.Conv2DAttrs, 'dilations'> & Partial<Pick<tfjs.Conv2DAttrs, 'dilations'>>;

/** Wraps the kernels of `tf.conv2d` and its gradients; what is small, dilated, channels first or of unequal strides stays as it was. */
export function registerBfloat16Convs(tf: typeof tfjs): void {
  /** `run` computes in bfloat16; where it returns undefined the kernel from before does. */
  const override = (
    kernelName: string,
    run: (args: Parameters<tfjs.KernelFunc>[0]) => tfjs.TensorInfo | undefined,
  ): void => {
    const stock = tf.getKernel(kernelName, 'tensorflow')!.kernelFunc;
    tf.unregisterKernel(kernelName, 'tensorflow');
    tf.registerKernel({
      kernelName,
      backendName: 'tensorflow',
      kernelFunc: (args) => run(args) ?? stock(args),
    });
  };
  /** Geometry of a convolution that our kernel computes; undefined for others. */
  const infoOf = (x: Shape, filter: Shape, attrs: unknown): tfjs.backend_util.Conv2DInfo | undefined => {
    const { strides, pad, dataFormat, dilations = 1, dimRoundingMode } = attrs as ConvAttrs;
    const layout = tf.backend_util.convertConv2DDataFormat(dataFormat);
    const info = tf.backend_util.computeConv2DInfo(x, filter, strides, dilations, pad, dimRoundingMode, false, layout);
    const { batchSize, outHeight, outWidth, outChannels } = info;
    const extents = [batchSize * outHeight * outWidth, outChannels, filter[0] * filter[1] * filter[2]];
    const isOurs =
      dataFormat === 'NHWC' &&
      info.dilationHeight === 1 &&
      info.dilationWidth === 1 &&
      info.strideHeight === info.strideWidth &&
      Math.min(...extents) >= SMALLEST;
    return isOurs && !x.includes(0) ? info : undefined;
  };
  /** Whether each output pixel is a product of one input pixel. */
  const isPointwise = ({ filterHeight, filterWidth, strideHeight, padInfo }: tfjs.backend_util.Conv2DInfo): boolean =>
    filterHeight * filterWidth * strideHeight === 1 &&
    padInfo.top + padInfo.bottom + padInfo.left + padInfo.right === 0;
  /** A product of images and kernels as matrices of their last axis. */
  const product = (
    backend: unknown,
    [a, b]: readonly [tfjs.TensorInfo, tfjs.TensorInfo],
    shape: readonly number[],
    { transposeA = false, transposeB = false } = {},
  ): tfjs.TensorInfo =>
    tf.tidy(() => {
      const [left, right] = [a, b].map((x) => tf.reshape(x as tfjs.Tensor, [-1, x.shape.at(-1)!]) as Matrix);
      const call = { a: left!, b: right!, transposeA, transposeB };
      return tf.reshape(bfloat16Product(tf, backend as NodeBackend, call), [...shape]);
    });

  override(tf.Conv2D, ({ inputs, attrs, backend }) => {
    const { x, filter } = inputs as { x: tfjs.TensorInfo; filter: tfjs.TensorInfo };
    const info = infoOf(x.shape as Shape, filter.shape as Shape, attrs);
    if (!info) return undefined;
    if (isPointwise(info)) return product(backend, [x, filter], info.outShape);
    const node = backend as NodeBackend;
    const { padInfo, strideHeight, outHeight, outWidth } = info;
    const value = [strideHeight, padInfo.top, padInfo.left, outHeight, outWidth];
    return node.executeSingleOutput(
      'UnlabelBfloat16Conv',
      [{ name: 'geometry', type: node.binding.TF_ATTR_INT, value }],
      [x, filter],
    );
  });
  override(tf.Conv2DBackpropInput, ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: tfjs.TensorInfo; filter: tfjs.TensorInfo };
    const { inputShape } = attrs as unknown as { inputShape: Shape };
    const info = infoOf(inputShape, filter.shape as Shape, attrs);
    return info && isPointwise(info) ? product(backend, [dy, filter], inputShape, { transposeB: true }) : undefined;
  });
  override(tf.Conv2DBackpropFilter, ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: tfjs.TensorInfo; dy: tfjs.TensorInfo };
    const { filterShape } = attrs as unknown as { filterShape: Shape };
    const info = infoOf(x.shape as Shape, filterShape, attrs);
    return info && isPointwise(info) ? product(backend, [x, dy], filterShape, { transposeA: true }) : undefined;
  });
}
