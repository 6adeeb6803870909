import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Tensor, Variable } from '@unlabel/core';
import { expectAllClose, testEngine, tf } from '@unlabel/engine';
import { beforeAll, expect, test } from 'vitest';
import { groupNorm } from './group-norm.ts';

const path = fileURLToPath(new URL('../fixtures/group-norm.json', import.meta.url));
const torch = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number[]>;

beforeAll(() => testEngine());

test('values and gradients are torch’s', () => {
  const layer = groupNorm(6, 2);
  const [weight, bias] = ['weight', 'bias'].map((name) => layer.params.get(name)!) as [Variable, Variable];
  weight.assign(tf.tensor(torch['weight']!));
  bias.assign(tf.tensor(torch['bias']!));
  const x = tf.tensor(torch['x']!, [2, 3, 2, 6]);
  const y = (input: Tensor): Tensor => layer.forward(input, { training: true });
  // float32 against float64, of values up to 4
  expectAllClose(y(x).dataSync(), torch['y']!, { atol: 2e-6, rtol: 2e-6 });
  const ofX = tf.grad((input: Tensor) => tf.sum(tf.pow(y(input), 3)))(x);
  expectAllClose(ofX.dataSync(), torch['gradient']!, { atol: 1e-4, rtol: 1e-4 });
  const { grads } = tf.variableGrads(() => tf.sum(tf.pow(y(x), 3)), [weight, bias]);
  expectAllClose(grads[weight.name]!.dataSync(), torch['weightGradient']!, { rtol: 1e-5 });
  expectAllClose(grads[bias.name]!.dataSync(), torch['biasGradient']!, { rtol: 1e-5 });
  expect(() => groupNorm(6, 4)).toThrow('6 channels cannot be cut into 4 groups');
});
