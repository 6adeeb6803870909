/** What the tests of bfloat16 share: why they cannot run here, and the rounding in another way than the kernels'. */
import { messageOf } from '@unlabel/core';
import { checkBfloat16 } from './bfloat16.ts';
import { findNative } from './load.ts';

/** Undefined where the native engine multiplies in bfloat16. */
export const bfloat16Reason: string | undefined = (() => {
  try {
    checkBfloat16(findNative('cpu') ? 'tensorflow-cpu' : 'wasm');
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
})();

/** To the nearest bfloat16, ties to even. */
export function rounded(values: Float32Array): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < bits.length; i++)
    if (!Number.isNaN(values[i])) bits[i] = ((bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(bits.buffer);
}

/** Sums in float32 of up to a few thousand terms, in the order of the kernel: sixteen units of the last place of Σ|a·b|. */
export const bfloat16Bound = 2 ** -20;
