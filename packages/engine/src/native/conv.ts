/**
 * Convolutions' gradients on the native engine: with zeros around in numbers, which tfjs-node refuses, and with the kernel's gradient
 * computed by this package where oneDNN's is slow or writes where it must not.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import { flagsOf, readCpuinfo } from './cpu-flags.ts';
import type { NodeBackend, OpAttr } from './kernels.ts';

type Info = tfjs.backend_util.Conv2DInfo;
type ConvAttrs = Pick<tfjs.Conv2DAttrs, 'strides' | 'pad' | 'dataFormat'>;
type Shape = [number, number, number, number];

/**
 * oneDNN's gradient in the kernel is a code of its own on CPUs with AVX2 and no AVX-512, at half the speed of its other convolutions
 * (ResNet-50: 2.6 s beside 1.8 s on one core); elsewhere it is one of those.
 */
function hasSlowFilterGradient(cpuinfo: string | undefined): boolean {
  const flags = flagsOf(cpuinfo);
  return flags !== undefined && flags.has('avx2') && flags.has('fma') && !flags.has('avx512f');
}

/** What of a convolution decides who computes its kernel's gradient. */
interface Taps {
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
}

/**
 * Whether `ConvFilterGrad`, this package's, computes a kernel's gradient on this CPU: everywhere that of one tap with a stride, of which
 * oneDNN's writes past its buffer when inputs are few (uxlfoundation/oneDNN#6035), and all where oneDNN is slow.
 */
export function hasOwnFilterGradient(taps: Taps, cpuinfo: string | undefined): boolean {
  const { filterHeight, filterWidth, strideHeight, strideWidth } = taps;
  if (strideHeight !== strideWidth) return false; // which it does not know
  return (filterHeight === 1 && filterWidth === 1 && strideHeight > 1) || hasSlowFilterGradient(cpuinfo);
}

/** Registers both gradients. On a GPU TensorFlow computes both. */
export function registerConvGradients(tf: typeof tfjs, { isGpu }: { readonly isGpu: boolean }): void {
  const cpuinfo = readCpuinfo();
  const { Conv2DBackpropFilter: ofFilter, Conv2DBackpropInput: ofInput } = tf;
  const replace = (kernelName: string, kernelFunc: tfjs.KernelFunc): void => {
    tf.unregisterKernel(kernelName, 'tensorflow');
    tf.registerKernel({ kernelName, backendName: 'tensorflow', kernelFunc });
  };
  replace(ofInput, ({ inputs, attrs, backend }) => {
    const { dy, filter } = inputs as { dy: tfjs.TensorInfo; filter: tfjs.TensorInfo };
    const { inputShape, ...given } = attrs as unknown as ConvAttrs & { inputShape: Shape };
    const { info, around } = namedPadding(tf, inputShape, filter.shape as Shape, given);
    const attributes = opAttrs(info, backend);
    const padded = sized(tf, backend, info.inShape, (sizes) => [ofInput, attributes, [sizes, filter, dy]]);
    if (!around) return padded;
    const dx = tf.slice(padded, [0, around[1][0], around[2][0], 0], inputShape);
    padded.dispose();
    return dx;
  });
  replace(ofFilter, ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: tfjs.Tensor4D; dy: tfjs.TensorInfo };
    const { filterShape, ...given } = attrs as unknown as ConvAttrs & { filterShape: Shape };
    const plain = infoOf(tf, x.shape, filterShape, given);
    const isEmpty = x.shape.includes(0) || dy.shape.includes(0);
    if (!isGpu && plain.dataFormat === 'channelsLast' && !isEmpty && hasOwnFilterGradient(plain, cpuinfo)) {
      const { top, left } = plain.padInfo;
      const geometry = { height: plain.filterHeight, width: plain.filterWidth, stride: plain.strideHeight, top, left };
      const own = tf.getKernel('ConvFilterGrad', 'tensorflow')!.kernelFunc;
      return own({ inputs, attrs: geometry, backend });
    }
    const { info, around } = namedPadding(tf, x.shape, filterShape, given);
    const padded = around ? tf.pad(x, around) : x;
    const attributes = opAttrs(info, backend);
    const result = sized(tf, backend, info.filterShape, (sizes) => [ofFilter, attributes, [padded, sizes, dy]]);
    if (around) padded.dispose();
    return result;
  });
}

function infoOf(tf: typeof tfjs, x: Shape, filter: Shape, { strides, pad, dataFormat }: ConvAttrs): Info {
  const layout = tf.backend_util.convertConv2DDataFormat(dataFormat);
  return tf.backend_util.computeConv2DInfo(x, filter, strides, 1, pad as number, undefined, false, layout);
}

type Around = [[0, 0], [number, number], [number, number], [0, 0]];

/**
 * The same convolution with a padding oneDNN takes on the way back, which is one that TensorFlow has a name for: zeros in numbers are
 * `same`, or laid around by hand.
 */
function namedPadding(tf: typeof tfjs, x: Shape, filter: Shape, attrs: ConvAttrs): { info: Info; around?: Around } {
  const info = infoOf(tf, x, filter, attrs);
  if (info.padInfo.type === 'SAME' || info.padInfo.type === 'VALID') return { info };
  const same = infoOf(tf, x, filter, { ...attrs, pad: 'same' });
  const sides = ({ padInfo: { top, bottom, left, right } }: Info) => [top, bottom, left, right].join();
  if (sides(same) === sides(info)) return { info: same };
  const { top, bottom, left, right } = info.padInfo;
  const padded: Shape = [x[0], x[1] + top + bottom, x[2] + left + right, x[3]];
  return {
    info: infoOf(tf, padded, filter, { ...attrs, pad: 'valid' }),
    around: [[0, 0], [top, bottom], [left, right], [0, 0]], // prettier-ignore
  };
}

/** Runs an op that wants the shape of its result as a tensor. */
function sized(
  tf: typeof tfjs,
  backend: unknown,
  shape: readonly number[],
  op: (sizes: tfjs.Tensor) => Parameters<NodeBackend['executeSingleOutput']>,
): tfjs.Tensor {
  const sizes = tf.tensor1d([...shape], 'int32');
  const result = (backend as NodeBackend).executeSingleOutput(...op(sizes));
  sizes.dispose();
  return result;
}

function opAttrs({ padInfo, dataFormat, strideHeight, strideWidth }: Info, backend: unknown): OpAttr[] {
  const { binding } = backend as NodeBackend;
  const isLast = dataFormat === 'channelsLast';
  const ints = (name: string, value: readonly number[]): OpAttr => ({ name, type: binding.TF_ATTR_INT, value });
  const text = (name: string, value: string): OpAttr => ({ name, type: binding.TF_ATTR_STRING, value });
  return [
    { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    ints('strides', isLast ? [1, strideHeight, strideWidth, 1] : [1, 1, strideHeight, strideWidth]),
    text('padding', padInfo.type),
    text('data_format', isLast ? 'NHWC' : 'NCHW'),
    { name: 'use_cudnn_on_gpu', type: binding.TF_ATTR_BOOL, value: true },
    ints('dilations', [1, 1, 1, 1]),
  ];
}
