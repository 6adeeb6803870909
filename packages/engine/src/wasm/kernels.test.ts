import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import type * as tfjs from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadWasm } from './load.ts';
import { withSharedMemory } from './heap.ts';

const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as typeof tfjs;

let engine: Awaited<ReturnType<typeof loadWasm>>;
beforeAll(async () => {
  engine = await loadWasm(tf, { threads: 1 });
});

/** Largest absolute difference, relative to the largest value. */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [error, scale] = [0, 1e-30];
  for (let i = 0; i < actual.length; i++) {
    error = Math.max(error, Number.isFinite(actual[i]!) ? Math.abs(actual[i]! - expected[i]!) : Infinity);
    scale = Math.max(scale, Math.abs(expected[i]!));
  }
  return error / scale;
}

/** What `run` gives on each backend, from the same values. */
async function both(run: () => tfjs.Tensor[]): Promise<{ wasm: Float32Array[]; cpu: Float32Array[] }> {
  const on = async (name: string): Promise<Float32Array[]> => {
    await tf.setBackend(name);
    return tf.tidy(() => run().map((x) => x.dataSync() as Float32Array));
  };
  const cpu = await on('cpu');
  return { wasm: await on('wasm'), cpu };
}

describe('kernels the stock backend lacks', () => {
  const cases: Record<string, () => tfjs.Tensor[]> = {
    'real FFT of a power of two': () => {
      const y = tf.spectral.rfft(tf.randomNormal([3, 16], 0, 1, 'float32', 1));
      return [tf.real(y), tf.imag(y), tf.abs(y)];
    },
    'real FFT of an odd length': () => {
      const y = tf.spectral.rfft(tf.randomNormal([2, 15], 0, 1, 'float32', 2));
      return [tf.real(y), tf.imag(y)];
    },
    'inverse FFT': () => {
      const x = tf.complex(tf.randomNormal([2, 12], 0, 1, 'float32', 3), tf.randomNormal([2, 12], 0, 1, 'float32', 4));
      const y = tf.spectral.ifft(x);
      return [tf.real(y), tf.imag(y)];
    },
    'complex arithmetic': () => {
      const a = tf.complex(tf.randomNormal([5], 0, 1, 'float32', 3), tf.randomNormal([5], 0, 1, 'float32', 4));
      const y = tf.sub(tf.mul(a, a), tf.add(a, tf.ones([5])));
      return [tf.real(y), tf.imag(y), tf.cast(y, 'float32')];
    },
    einsum: () => [
      tf.einsum(
        'bij,bkj->bik',
        tf.randomNormal([2, 3, 4], 0, 1, 'float32', 1),
        tf.randomNormal([2, 5, 4], 0, 1, 'float32', 2),
      ),
    ],
    'gather and its gradient': () => {
      const x = tf.randomNormal([5, 3], 0, 1, 'float32', 1);
      const at = tf.tensor1d([0, 2, 2, 4], 'int32');
      return [tf.grad((v) => tf.sum(tf.square(tf.gather(v, at))))(x)];
    },
    'depthwise convolution and its gradients': () => {
      const x = tf.randomNormal<tfjs.Rank.R4>([2, 7, 6, 3], 0, 1, 'float32', 1);
      const w = tf.randomNormal<tfjs.Rank.R4>([3, 3, 3, 2], 0, 1, 'float32', 2);
      return tf.grads((a, b) =>
        tf.sum(tf.square(tf.depthwiseConv2d(a as tfjs.Tensor4D, b as tfjs.Tensor4D, 1, 'same'))),
      )([x, w]);
    },
  };
  test.each(Object.entries(cases))('%s equals the cpu backend', async (_, run) => {
    const { wasm, cpu } = await both(run);
    wasm.forEach((values, i) => expect(worst(values, cpu[i]!)).toBeLessThan(2e-6));
  });

  test('complex tensors leave nothing behind', async () => {
    await tf.setBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    tf.tidy(() => tf.abs(tf.spectral.rfft(tf.ones([2, 16]))).dataSync());
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});

test('every kernel the cpu backend has for numbers exists on wasm', () => {
  const has = new Set(tf.getKernelsForBackend('wasm').map((kernel) => kernel.kernelName));
  const notForTraining = ['Draw', 'RaggedGather', 'RaggedRange', 'RaggedTensorToTensor', 'StaticRegexReplace'];
  const missing = tf.getKernelsForBackend('cpu').filter(({ kernelName }) => !has.has(kernelName));
  expect(missing.map(({ kernelName }) => kernelName).toSorted()).toEqual(notForTraining);
});

test('the heap grows past 2 GB and its tensors stay readable', async () => {
  await tf.setBackend('wasm');
  const kept = tf.tensor1d([1, 2, 3]);
  const large = Array.from({ length: 5 }, () => engine.backend.makeOutput([2 ** 27], 'float32')); // 2.5 GB, unset
  const last = tf.fill([2 ** 24], 7);
  expect(engine.backend.getMemoryOffset(last.dataId)).toBeGreaterThan(2 ** 31);
  expect([...kept.dataSync(), ...tf.slice(last, [2 ** 24 - 1], [1]).dataSync()]).toEqual([1, 2, 3, 7]);
  expect(tf.sum(last).dataSync()[0]).toBe(7 * 2 ** 24);
  for (const { dataId } of large) engine.backend.disposeData(dataId);
  tf.dispose([kept, last]);
});

test('refuses a module whose memory it does not know', () => {
  expect(() => withSharedMemory(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))).toThrow(/version 4.22/);
  expect(() => withSharedMemory(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 3, 2, 0, 0]))).toThrow(/unknown way/);
});

test('a process with compute threads ends when its work is done', async () => {
  const program = `
    import { createRequire } from 'node:module';
    import { loadWasm } from ${JSON.stringify(new URL('./load.ts', import.meta.url).href)};
    const tf = createRequire(${JSON.stringify(import.meta.url)})('@tensorflow/tfjs');
    await loadWasm(tf, { threads: 3 });
    console.log(tf.sum(tf.matMul(tf.ones([300, 300]), tf.ones([300, 300]))).dataSync()[0]);
  `;
  const run = promisify(execFile);
  const flags = ['--conditions=@unlabel/source', '--input-type=module', '--eval', program];
  const { stdout, stderr } = await run(process.execPath, flags);
  expect([stdout, stderr]).toEqual(['27000000\n', '']);
});
