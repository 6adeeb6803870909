/**
 * The installation's last step, in a process of its own (a binding that crashes must not take the installer with it): a
 * matrix product and a gradient on the new binding against TensorFlow.js' plain JavaScript engine.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import type * as tfjs from '@tensorflow/tfjs-core';
import { DeviceError, messageOf } from '@unlabel/core';

import { loadNative } from './load.ts';

/** Products of up to 64 terms below 1 in magnitude: sums in another order differ by a few units in the last place. */
const TOLERANCE = 1e-5;

/** Runs the test on `binding` in a child process. Throws DeviceError with what it printed when it fails. */
export async function runSelfTest(binding: string): Promise<void> {
  const here = fileURLToPath(import.meta.url);
  const script = fileURLToPath(new URL(`./self-test-main${extname(here)}`, import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@unlabel/source', script, binding], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new DeviceError(
      `the native engine was compiled but failed its self-test (exit ${code ?? 'by signal'}):\n  ${output.trim()}\n` +
        'Use the embedded engine (wasm) on this machine.',
    );
  }
}

/** What the child process does: returns the worst difference of each check. Throws DeviceError beyond the tolerance. */
export function selfTest(binding: string): Readonly<Record<string, number>> {
  const tf = createRequire(import.meta.url)('@tensorflow/tfjs') as typeof tfjs;
  loadNative(tf, { binding });
  const values = (length: number, step: number): number[] => Array.from({ length }, (_, i) => Math.sin(step * (i + 1)));
  const run = (): Record<string, Float32Array> =>
    tf.tidy(() => {
      const a = tf.tensor2d(values(48 * 64, 0.37), [48, 64]);
      const b = tf.tensor2d(values(64 * 32, 0.53), [64, 32]);
      const product = tf.matMul(a, b);
      const gradient = tf.grad((x: tfjs.Tensor) => tf.mean(tf.square(tf.relu(tf.matMul(x as tfjs.Tensor2D, b)))))(a);
      return { matmul: product.dataSync<'float32'>(), gradient: gradient.dataSync<'float32'>() };
    });
  const results = ['cpu', 'tensorflow'].map((name) => {
    void tf.setBackend(name);
    return run();
  });
  const worst: Record<string, number> = {};
  for (const [name, expected] of Object.entries(results[0]!)) {
    const found = results[1]![name]!;
    worst[name] = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - (found[i] ?? NaN))), 0);
    if (!(worst[name] <= TOLERANCE)) {
      throw new DeviceError(`${name}: differs from the reference engine by ${worst[name]}, allowed ${TOLERANCE}.`);
    }
  }
  return worst;
}

/** Entry of the child process. */
export function selfTestMain(binding: string | undefined): void {
  try {
    if (binding === undefined) throw new DeviceError('self-test: expected the path of a binding.');
    process.stdout.write(`${JSON.stringify(selfTest(binding))}\n`);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
