/** Putting our kernels in front of the stock ones. */
import type * as tfjs from '@tensorflow/tfjs-core';
import type { HeapBackend } from './heap.ts';
import type { Kernels } from './kernels.ts';

export interface Context {
  readonly tf: typeof tfjs;
  readonly backend: HeapBackend;
  readonly kernels: Kernels;
}

type Info = tfjs.TensorInfo;

export interface KernelCall {
  readonly inputs: Readonly<Record<string, Info | undefined>>;
  readonly attrs: Readonly<Record<string, unknown>>;
}

/**
 * Register `run` for a kernel. Where it returns undefined the stock kernel answers (or `otherwise`, where the stock backend has
 * none).
 */
export function override(
  { tf }: Context,
  kernelName: string,
  run: (call: KernelCall) => Info | Info[] | undefined,
): void {
  const stock = tf.getKernel(kernelName, 'wasm') as tfjs.KernelConfig | undefined;
  if (stock) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({
    kernelName,
    backendName: 'wasm',
    kernelFunc: (args) => {
      const result = run({ inputs: args.inputs as KernelCall['inputs'], attrs: args.attrs ?? {} });
      if (result) return result;
      if (!stock) throw new Error(`${kernelName} cannot run on these inputs on the embedded engine.`);
      return stock.kernelFunc(args);
    },
  });
}

/** Byte offset of a tensor's numbers. */
export const pointer = ({ backend }: Context, info: Info): number => backend.dataIdMap.get(info.dataId).memoryOffset;

/** A new tensor of a shape, its numbers unset. */
export const output = ({ backend }: Context, shape: readonly number[]): Info =>
  backend.makeOutput([...shape], 'float32');

export const isFloat = (...infos: readonly (Info | undefined)[]): boolean =>
  infos.every((info) => info === undefined || info.dtype === 'float32');

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
