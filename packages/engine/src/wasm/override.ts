/** Putting our kernels in front of the stock ones. */
import type * as tfjs from '@tensorflow/tfjs-core';
import { DeviceError } from '@unlabel/core';
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
 * Register `run` for a kernel. Where it returns undefined the kernel that was there before answers; DeviceError if none was.
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
      if (!stock) {
        const found = Object.entries(args.inputs).map(([name, x]) => `${name} ${x?.dtype} [${x?.shape.join(', ')}]`);
        throw new DeviceError(`${kernelName} of the embedded engine cannot take ${found.join(', ')}.`);
      }
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
