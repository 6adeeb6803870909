/**
 * TensorFlow.js kernels of the native engine that tfjs-node does not have: the fused operations of `../ops`, computed by this
 * package's own TensorFlow kernels (`ops/*.cc`). Those exist for CPUs: on a GPU the portable compositions run instead.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import { zerosAround } from '../ops/padding.ts';
import { registerBfloat16Convs } from './bfloat16-conv.ts';
import { bfloat16Product, isBfloat16Product, registerBfloat16 } from './bfloat16.ts';
import { registerConvGradients } from './conv.ts';

/** What of tfjs-node's backend is used here. */
export interface NodeBackend {
  readonly binding: Binding;
  executeSingleOutput(op: string, attrs: readonly OpAttr[], inputs: readonly tfjs.TensorInfo[]): tfjs.Tensor;
  executeMultipleOutputs(
    op: string,
    attrs: readonly OpAttr[],
    inputs: readonly tfjs.TensorInfo[],
    outputs: number,
  ): tfjs.Tensor[];
}

/** Constants of the binding, and the question whether a GPU computes. */
interface Binding {
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_TYPE: number;
  isUsingGpuDevice(): boolean;
}

export interface OpAttr {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

type Attrs = Readonly<Record<string, unknown>>;

/** A fused operation: its kernel's name, TensorFlow's op, the inputs in order, the attributes and the number of outputs. */
interface OwnOp {
  readonly kernel: string;
  /** TensorFlow's op without its prefix, where it is not the kernel's name. */
  readonly op?: string;
  readonly inputs: readonly string[];
  readonly attrs: Readonly<Record<string, 'float' | 'bool' | 'int'>>;
  readonly outputs: number;
  /** Its products can be computed in bfloat16. */
  readonly hasProducts?: boolean;
}

const norm = ['x', 'gamma', 'beta'];
const normGrad = ['x', 'dy', 'gamma', 'beta', 'mean', 'variance'];

const attention = ['q', 'k', 'v', 'bias', 'gate', 'mask', 'seed'];
const attentionAttrs = { heads: 'int', scale: 'float', keep: 'float', packed: 'bool' } as const;

const ownOps: readonly OwnOp[] = [
  {
    kernel: 'BatchNormTrain',
    inputs: norm,
    attrs: { epsilon: 'float', relu: 'bool', groups: 'int' },
    outputs: 3,
  },
  {
    kernel: 'BatchNormTrainGrad',
    inputs: normGrad,
    attrs: { epsilon: 'float', relu: 'bool', groups: 'int' },
    outputs: 3,
  },
  {
    kernel: 'BatchNormAddRelu',
    inputs: [...norm, 'shortcut'],
    attrs: { epsilon: 'float', groups: 'int' },
    outputs: 3,
  },
  {
    kernel: 'BatchNormAddReluGrad',
    inputs: ['x', 'dy', 'gamma', 'mean', 'variance', 'y'],
    attrs: { epsilon: 'float', groups: 'int' },
    outputs: 4,
  },
  { kernel: 'BatchNormReluPool', inputs: norm, attrs: { epsilon: 'float', groups: 'int' }, outputs: 3 },
  { kernel: 'BatchNormReluPoolGrad', inputs: normGrad, attrs: { epsilon: 'float', groups: 'int' }, outputs: 3 },
  { kernel: 'AffineReluPool', inputs: ['x', 'scale', 'offset'], attrs: {}, outputs: 1 },
  { kernel: 'SeededDropout', inputs: ['x', 'seed'], attrs: { scale: 'float' }, outputs: 1 },
  ...['LayerNorm', 'AddLayerNorm'].map((kernel) => ({
    kernel,
    op: 'LayerNorm',
    inputs: ['x', 'shortcut', 'gamma', 'beta'],
    attrs: { epsilon: 'float', scale: 'float', keepSum: 'bool' } as const,
    outputs: 3,
  })),
  {
    kernel: 'LayerNormGrad',
    inputs: ['x', 'shortcut', 'dy', 'dSum', 'gamma', 'stats'],
    attrs: { scale: 'float' },
    outputs: 4,
  },
  { kernel: 'Gelu', inputs: ['x', 'bias'], attrs: { tanh: 'bool' }, outputs: 1 },
  { kernel: 'GeluGrad', inputs: ['x', 'bias', 'dy'], attrs: { tanh: 'bool' }, outputs: 2 },
  { kernel: 'ColumnSum', inputs: ['x'], attrs: {}, outputs: 1 },
  { kernel: 'Attention', inputs: attention, attrs: attentionAttrs, outputs: 2, hasProducts: true },
  {
    kernel: 'AttentionGrad',
    inputs: [...attention, 'logSum', 'dy'],
    attrs: attentionAttrs,
    outputs: 5,
    hasProducts: true,
  },
  { kernel: 'CrossEntropy', inputs: ['logits', 'labels'], attrs: { smoothing: 'float' }, outputs: 2 },
  {
    kernel: 'CrossEntropyGrad',
    inputs: ['logits', 'labels', 'logSum', 'dy'],
    attrs: { smoothing: 'float' },
    outputs: 1,
  },
  { kernel: 'MaxMeanTime', inputs: ['x'], attrs: {}, outputs: 1 },
  { kernel: 'MaxMeanTimeGrad', inputs: ['x', 'dy'], attrs: {}, outputs: 1 },
  {
    kernel: 'SgdMomentum',
    inputs: ['param', 'grad', 'velocity', 'rates'],
    attrs: { nesterov: 'bool' },
    outputs: 2,
  },
  { kernel: 'Ema', inputs: ['target', 'source', 'rates'], attrs: {}, outputs: 1 },
  { kernel: 'AdamW', inputs: ['param', 'grad', 'first', 'second', 'rates'], attrs: {}, outputs: 3 },
];

/** TensorFlow's name of an own op. */
const tensorflowOp = (kernel: string): string => `Unlabel${kernel.replace('BatchNormTrain', 'BatchNorm')}`;

/** Registers the native engine's kernels; called once, when the backend is loaded. `bfloat16`: products round their operands to it. */
export function registerNativeKernels(tf: typeof tfjs, { bfloat16 }: { readonly bfloat16: boolean }): void {
  const backendOf = (backend: unknown): NodeBackend => backend as NodeBackend; // registered for 'tensorflow' only
  const { binding } = backendOf(tf.backend());
  const register = (kernelName: string, kernelFunc: tfjs.KernelFunc): void =>
    tf.registerKernel({ kernelName, backendName: 'tensorflow', kernelFunc });
  const float = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
  register('ReluGrad', ({ inputs, backend }) =>
    backendOf(backend).executeSingleOutput('ReluGrad', [float], [inputs['dy']!, inputs['y']!]),
  );
  const isGpu = binding.isUsingGpuDevice();
  registerConvGradients(tf, { isGpu });
  if (isGpu) return;
  if (bfloat16) {
    registerBfloat16(tf);
    registerBfloat16Convs(tf);
  }
  const types = { float: binding.TF_ATTR_FLOAT, bool: binding.TF_ATTR_BOOL, int: binding.TF_ATTR_INT };
  for (const op of ownOps) {
    const name = tensorflowOp(op.op ?? op.kernel);
    register(op.kernel, ({ inputs, attrs, backend }) => {
      const ordered = op.inputs.map((key) => inputs[key]!);
      const list = Object.entries(op.attrs).map(([key, type]) => ({
        name: key,
        type: types[type],
        value: (attrs as Attrs)[key],
      }));
      if (op.hasProducts) list.push({ name: 'inBfloat16', type: types.bool, value: bfloat16 });
      return op.outputs === 1
        ? backendOf(backend).executeSingleOutput(name, list, ordered)
        : backendOf(backend).executeMultipleOutputs(name, list, ordered, op.outputs);
    });
  }
  /** Scales, adds a bias and a shortcut and applies a ReLU where a product lies: it is nobody else's yet. */
  const finish = (
    backend: NodeBackend,
    product: tfjs.TensorInfo,
    what: Readonly<Partial<Record<'bias' | 'shortcut' | 'scale', tfjs.TensorInfo | undefined>>> & { relu: boolean },
  ): void => {
    tf.tidy(() => {
      const bias = what.bias ?? tf.zeros([product.shape.at(-1)!]);
      const [shortcut, scale] = [what.shortcut ?? tf.zeros([0]), what.scale ?? tf.zeros([0])];
      const attrs = [{ name: 'relu', type: binding.TF_ATTR_BOOL, value: what.relu }];
      backend.executeMultipleOutputs(tensorflowOp('FinishProduct'), attrs, [product, bias, shortcut, scale], 0);
    });
  };
  const geometric = (kernel: string, inputNames: readonly string[], numbers: readonly string[]): void =>
    register(kernel, ({ inputs, attrs, backend }) => {
      const value = numbers.map((name) => (attrs as Attrs)[name]);
      const ordered = inputNames.map((name) => inputs[name]!);
      const geometry = { name: 'geometry', type: binding.TF_ATTR_INT, value };
      return backendOf(backend).executeSingleOutput(tensorflowOp(kernel), [geometry], ordered);
    });
  geometric('PaddedMaxPool', ['x'], ['size', 'stride', 'padding']);
  geometric('PaddedMaxPoolGrad', ['x', 'dy'], ['size', 'stride', 'padding']);
  geometric('ConvFilterGrad', ['x', 'dy'], ['height', 'width', 'stride', 'top', 'left']);
  const dense: tfjs.KernelFunc = ({ inputs, attrs, backend }) => {
    const { relu, transposeKernel } = attrs as { relu?: boolean; transposeKernel: boolean };
    const call = { a: inputs['x']!, b: inputs['kernel']!, transposeA: false, transposeB: transposeKernel };
    const bias = inputs['bias'];
    if (bfloat16 && isBfloat16Product(call))
      return bfloat16Product(tf, backendOf(backend), call, { bias, relu: relu === true });
    const product = backendOf(backend).executeSingleOutput(
      'MatMul',
      [
        { name: 'transpose_a', type: binding.TF_ATTR_BOOL, value: false },
        { name: 'transpose_b', type: binding.TF_ATTR_BOOL, value: transposeKernel },
        float,
      ],
      [inputs['x']!, inputs['kernel']!],
    );
    if (bias || relu === true) finish(backendOf(backend), product, { bias, relu: relu === true });
    return product;
  };
  register('Dense', dense);
  register('DenseRelu', dense);
  const convolve = tf.getKernel('Conv2D', 'tensorflow')!.kernelFunc;
  register('ConvBias', ({ inputs, attrs, backend }) => {
    const { stride, padding, relu } = attrs as Attrs;
    const pad = zerosAround(padding as number);
    const product = convolve({
      inputs: { x: inputs['x']!, filter: inputs['kernel']! },
      attrs: { strides: stride, pad, dataFormat: 'NHWC', dilations: 1 } as never,
      backend,
    }) as tfjs.TensorInfo; // a convolution has one output
    const { bias, shortcut, scale } = inputs;
    finish(backendOf(backend), product, { bias, shortcut, scale, relu: relu === true });
    return product;
  });
}
