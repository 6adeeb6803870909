/** How the fused operations reach a backend's kernels. */
import type { Tensor } from '@unlabel/core';
import { tf } from '../backend.ts';

type Attrs = Readonly<Record<string, number | boolean>>;

let isComposing = false;

/** Whether the current backend has a kernel of this name; else the operation is composed. */
export const hasKernel = (name: string): boolean => !isComposing && tf.getKernel(name, tf.getBackend()) !== undefined;

/** Runs `fn` with every operation composed, for tests that compare the two. */
export function composed<T>(fn: () => T): T {
  isComposing = true;
  try {
    return fn();
  } finally {
    isComposing = false;
  }
}

/** What a kernel gets in place of an input that is left out. */
export const none = (type: 'float32' | 'int32' = 'float32'): Tensor => tf.zeros([0], type);

/** Runs a kernel, recorded for gradients like any operation; its gradient is the one registered under its name. */
export function runKernel(name: string, inputs: Readonly<Record<string, Tensor>>, attrs: Attrs): Tensor[] {
  const result = tf.engine().runKernel(name, { ...inputs }, { ...attrs });
  return (Array.isArray(result) ? result : [result]) as Tensor[]; // TensorInfo is Tensor once the engine returns it
}

export interface GradientSpec {
  readonly kernel: string;
  /** Inputs and outputs kept for the backward pass. */
  readonly inputs: readonly string[];
  readonly outputs?: readonly boolean[];
  /** dy of each output and what was kept (inputs, then outputs) → gradient by input. Called once per backward pass. */
  readonly gradient: (
    dy: readonly Tensor[],
    saved: readonly Tensor[],
    attrs: Attrs,
  ) => Readonly<Record<string, () => Tensor>>;
}

/** Registers a kernel's gradient, once for all backends. */
export function defineGradient({ kernel, inputs, outputs, gradient }: GradientSpec): void {
  if (tf.getGradient(kernel) !== undefined) return;
  tf.registerGradient({
    kernelName: kernel,
    inputsToSave: [...inputs],
    ...(outputs === undefined ? {} : { outputsToSave: [...outputs] }),
    gradFunc: (dy, saved, attrs) => gradient(Array.isArray(dy) ? dy : [dy], saved, attrs as Attrs),
  });
}
