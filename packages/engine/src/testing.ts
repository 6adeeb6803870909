/** What engine-dependent tests share. Throws plain errors, so it works under any runner. */
import type { NdArray, Tensor, TypedArray } from '@unlabel/core';
import { tf, useEngine, type EngineInfo, type EngineName } from './backend.ts';
import { leakCheck } from './memory.ts';

/** Starts the engine UNLABEL_ENGINE names (default `auto`), deterministic, and says which it is. */
export function testEngine(): Promise<EngineInfo> {
  const engine = (process.env['UNLABEL_ENGINE'] ?? 'auto') as EngineName | 'auto'; // useEngine refuses unknown names
  return useEngine({ engine, deterministic: true });
}

export interface Tolerance {
  /** Default 0. */
  readonly atol?: number;
  /** Default 0. */
  readonly rtol?: number;
}

export interface Worst {
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  readonly error: number;
  /** error / (atol + rtol·|expected|): above 1 it fails. */
  readonly share: number;
}

type Numbers = Tensor | NdArray<TypedArray> | number | readonly number[] | TypedArray;

const isTensor = (value: Numbers): value is Tensor => typeof value === 'object' && 'dataSync' in value;

function flatten(value: Numbers): { data: ArrayLike<number>; shape: readonly number[] } {
  if (typeof value === 'number') return { data: [value], shape: [] };
  if (isTensor(value)) return { data: value.dataSync(), shape: value.shape };
  if ('shape' in value) return value;
  return { data: value, shape: [value.length] };
}

/** The element that uses most of its tolerance |a − b| ≤ atol + rtol·|b|. Not-a-number and infinities only match themselves. */
export function worstOf(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 0, rtol = 0 }: Tolerance,
): Worst {
  let worst: Worst = { index: -1, actual: NaN, expected: NaN, error: 0, share: 0 };
  for (let index = 0; index < expected.length; index++) {
    const a = actual[index]!;
    const b = expected[index]!;
    if (Object.is(a, b)) continue;
    const error = Math.abs(a - b);
    const share = Number.isFinite(error) ? error / (atol + rtol * Math.abs(b)) : Infinity;
    if (error > 0 && !(share <= worst.share)) worst = { index, actual: a, expected: b, error, share };
  }
  return worst;
}

/** Throws naming the worst element when two arrays differ by more than the tolerance, or their shapes do at all. */
export function expectAllClose(actual: Numbers, expected: Numbers, tolerance: Tolerance): Worst {
  const [a, b] = [flatten(actual), flatten(expected)];
  if (a.shape.join() !== b.shape.join()) {
    throw new Error(`expected shape [${b.shape.join(', ')}], found [${a.shape.join(', ')}]`);
  }
  const worst = worstOf(a.data, b.data, tolerance);
  if (worst.share > 1) {
    const where = `element ${worst.index} of [${b.shape.join(', ')}]`;
    throw new Error(
      `${where}: expected ${worst.expected}, found ${worst.actual}; difference ${worst.error.toExponential(2)}, ${worst.share.toPrecision(3)} times the tolerance (atol ${tolerance.atol ?? 0}, rtol ${tolerance.rtol ?? 0})`,
    );
  }
  return worst;
}

export interface GradientCheckOptions extends Tolerance {
  /** Step of the central difference. Default 1e-2: float32 sums leave about 1e-5 of noise in it for values of order 1. */
  readonly step?: number;
  /** Elements compared per input, spread evenly. Default 24. */
  readonly samples?: number;
}

/**
 * Compares the engine's gradients of the scalar `fn(...inputs)` with central differences. Default tolerance atol 2e-3, rtol 2e-2
 * suits losses and inputs of order 1. Throws naming input and element.
 */
export async function checkGradients(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly NdArray[],
  options: GradientCheckOptions = {},
): Promise<void> {
  const { step = 1e-2, samples = 24, atol = 2e-3, rtol = 2e-2 } = options;
  const tensors = inputs.map(({ data, shape }) => tf.tensor(data, [...shape]));
  const gradients = tf.grads((...args: Tensor[]) => tf.reshape(fn(...args), []))(tensors);
  const evaluate = (changed: number, data: Float32Array): number =>
    tf.tidy(() => {
      const args = tensors.map((held, i) => (i === changed ? tf.tensor(data, held.shape) : held));
      return fn(...args).dataSync()[0]!;
    });
  for (const [i, input] of inputs.entries()) {
    const gradient = await gradients[i]!.data();
    const stride = Math.max(1, Math.floor(input.data.length / samples));
    for (let at = 0; at < input.data.length; at += stride) {
      const shifted = (by: number) => Float32Array.from(input.data, (x, j) => (j === at ? x + by : x));
      const [up, down] = [shifted(step), shifted(-step)];
      const expected = (evaluate(i, up) - evaluate(i, down)) / (up[at]! - down[at]!);
      const { share } = worstOf([gradient[at]!], [expected], { atol, rtol });
      if (share > 1)
        throw new Error(`input ${i}, element ${at}: differences give ${expected}, the gradient is ${gradient[at]}`);
    }
  }
  tf.dispose([...tensors, ...gradients]);
}

/** Runs `fn` twice (the first call may fill caches) and throws when the second leaves tensors behind. `fn` frees what it returns. */
export async function expectNoLeak(fn: () => unknown): Promise<void> {
  await fn();
  const { tensors, bytes } = await leakCheck(fn);
  if (tensors !== 0 || bytes !== 0) throw new Error(`${tensors} tensors (${bytes} bytes) stayed behind`);
}
