/**
 * Kernels too rare to deserve code of their own: the `cpu` backend's kernel of the same name runs on copies of the tensors.
 */
import type * as tfjs from '@tensorflow/tfjs-core';
import type { HeapBackend } from './heap.ts';

type Tf = typeof tfjs;

/** Kernels that run on the `cpu` backend: those the stock backend lacks, and those whose result was found wrong there. */
export const cpuKernels = [
  'Conv2DBackpropFilter',
  'Conv3DBackpropInputV2', // wrong on the stock backend
  'DepthwiseConv2dNativeBackpropFilter',
  'DepthwiseConv2dNativeBackpropInput',
  'Einsum',
  'MaxPool3D', // wrong on the stock backend where all of a window is negative
  'MaxPool3DGrad', // likewise
  'UnsortedSegmentSum',
] as const;

/** Register the kernels of `names` for `wasm`, computed by `cpu`. */
export function registerFallbacks(tf: Tf, names: readonly string[] = cpuKernels): void {
  for (const kernelName of names) {
    const kernel = tf.getKernel(kernelName, 'cpu');
    if (tf.getKernel(kernelName, 'wasm') as tfjs.KernelConfig | undefined) tf.unregisterKernel(kernelName, 'wasm');
    tf.registerKernel({
      kernelName,
      backendName: 'wasm',
      kernelFunc: ({ inputs, attrs, backend }) => onCpu(tf, kernel, inputs, attrs, backend as HeapBackend),
    });
  }
}

interface CpuBackend extends tfjs.KernelBackend {
  firstUse: boolean;
  makeTensorInfo(
    shape: readonly number[],
    dtype: tfjs.DataType,
    values?: tfjs.backend_util.BackendValues,
  ): tfjs.TensorInfo;
}

function onCpu(
  tf: Tf,
  kernel: tfjs.KernelConfig,
  inputs: tfjs.NamedTensorInfoMap,
  attrs: tfjs.NamedAttrMap | undefined,
  backend: HeapBackend,
): tfjs.TensorInfo | tfjs.TensorInfo[] {
  const cpu = tf.findBackend('cpu') as CpuBackend;
  cpu.firstUse = false; // it would advertise the native binding
  const copies: tfjs.TensorInfo[] = [];
  const copy = (info: tfjs.TensorInfo): tfjs.TensorInfo => {
    const made = cpu.makeTensorInfo(info.shape, info.dtype, backend.readSync(info.dataId));
    copies.push(made);
    return made;
  };
  // Kernels of a variable number of inputs get an array, which the type of a named map does not say.
  const moved = Array.isArray(inputs)
    ? inputs.map(copy)
    : Object.fromEntries(
        Object.entries(inputs as Record<string, tfjs.TensorInfo | undefined>).map(([name, x]) => [name, x && copy(x)]),
      );
  const results = kernel.kernelFunc({ inputs: moved as tfjs.NamedTensorInfoMap, attrs: attrs ?? {}, backend: cpu });
  const fetch = (info: tfjs.TensorInfo): tfjs.TensorInfo => {
    copies.push(info);
    return backend.makeOutput(info.shape, info.dtype, undefined, cpu.readSync(info.dataId));
  };
  const fetched = Array.isArray(results) ? results.map(fetch) : fetch(results);
  for (const info of copies) cpu.disposeData(info.dataId);
  return fetched;
}
