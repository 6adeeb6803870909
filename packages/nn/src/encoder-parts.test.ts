/** The parts of fairseq's encoders; their numbers together are under BEATs' goldens, in `backbones`. */
import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type NdArray, type Tensor } from '@unlabel/core';
import { assignArrays, checkGradients, expectAllClose, testEngine, tf, toArrays } from '@unlabel/engine';
import { encoderLayer } from './encoder-layer.ts';
import { gatedAttention } from './gated-attention.ts';
import { gelu } from './gelu.ts';
import { positionConv } from './position-conv.ts';
import { relativeBias, relativeBucket } from './relative-bias.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: readonly number[], scale = 1): NdArray =>
  goldenTensor(`input:${name}`, 11, shape, scale);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);
const still = { training: false };

describe('relative positions', () => {
  test('fall into the buckets of the released models', () => {
    // computed by microsoft/unilm beats/backbone.py@768a3c8, 320 buckets up to 800
    const known = [
      [-900, 159], [-800, 159], [-500, 143], [-200, 111], [-100, 87], [-81, 80], [-80, 80], [-79, 79], [-10, 10], [-1, 1],
      [0, 0], [1, 161], [10, 170], [79, 239], [80, 240], [100, 247], [200, 271], [500, 303], [799, 319], [900, 319],
    ] as const; // prettier-ignore
    for (const [distance, bucket] of known) expect(relativeBucket(distance, 320, 800), `${distance}`).toBe(bucket);
  });

  test('give each query and key the row of its bucket', async () => {
    const bias = relativeBias({ heads: 2, buckets: 8, maxDistance: 6 }, createRng(1));
    const { data } = (await toArrays(bias.params))['weight']!; // [8, 2]
    const found = bias.forward(5);
    expect(found.shape).toEqual([2, 5, 5]);
    const values = await found.data();
    for (let h = 0; h < 2; h++)
      for (let q = 0; q < 5; q++)
        for (let k = 0; k < 5; k++) expect(values[(h * 5 + q) * 5 + k]).toBe(data[relativeBucket(k - q, 8, 6) * 2 + h]);
  });

  test('refuse buckets that cannot be quartered', () => {
    expect(() => relativeBias({ heads: 2, buckets: 6, maxDistance: 9 }, createRng(1))).toThrow('6 buckets up to 9');
  });
});

describe('the convolution of positions', () => {
  test.each([4, 5])('with %i taps is its definition', (kernel) => {
    const [rows, tokens, width, groups] = [2, 6, 4, 2];
    const layer = positionConv({ width, kernel, groups }, createRng(3));
    const inputs = width / groups;
    const g = random('g', [1, 1, kernel]);
    const v = random('v', [width, inputs, kernel]);
    const b = random('b', [width]);
    assignArrays(layer.params, { weight_g: g, weight_v: v, bias: b });
    const x = random('x', [rows, tokens, width]);
    const expected = new Float64Array(rows * tokens * width);
    const norm = (k: number): number =>
      Math.sqrt(v.data.reduce((sum, value, i) => sum + (i % kernel === k ? value * value : 0), 0));
    for (let r = 0; r < rows; r++)
      for (let t = 0; t < tokens; t++)
        for (let o = 0; o < width; o++) {
          let sum = b.data[o]!;
          for (let i = 0; i < inputs; i++)
            for (let k = 0; k < kernel; k++) {
              const at = t + k - Math.floor(kernel / 2);
              if (at < 0 || at >= tokens) continue;
              const channel = Math.floor(o / inputs) * inputs + i;
              const weight = (v.data[(o * inputs + i) * kernel + k]! * g.data[k]!) / norm(k);
              sum += weight * x.data[(r * tokens + at) * width + channel]!;
            }
          expected[(r * tokens + t) * width + o] = sum;
        }
    const sums = tf.tensor(Float32Array.from(expected), [rows, tokens, width]);
    expectAllClose(layer.forward(asTensor(x), still), gelu(sums), { atol: 1e-5 });
  });

  test('starts with its magnitudes equal to the lengths of its directions', async () => {
    const arrays = await toArrays(positionConv({ width: 8, kernel: 3, groups: 2 }, createRng(3)).params);
    const square = arrays['weight_v']!.data.reduce((sum, v, i) => sum + (i % 3 === 1 ? v * v : 0), 0);
    expect(arrays['weight_g']!.data[1]).toBeCloseTo(Math.sqrt(square), 6);
  });
});

describe('gated attention', () => {
  test('scales the bias by a function of the query, and has the gradient that differences show', async () => {
    const attention = gatedAttention({ width: 8, heads: 2 }, createRng(5));
    const x = random('x', [1, 4, 8], 2);
    const gate = attention.gate(asTensor(x));
    expect(gate.shape).toEqual([1, 2, 4, 1]);
    for (const value of await gate.data()) {
      expect(value).toBeGreaterThan(1); // a·(b − 1) + 2, a and b in 0…1
      expect(value).toBeLessThan(2);
    }
    const probe = asTensor(random('probe', [1, 4, 8]));
    await checkGradients(
      (h, bias) => tf.sum(tf.mul(attention.attend(h, { ...still, bias }).y, probe)),
      [x, random('bias', [2, 4, 4])],
    );
  });
});

describe('the encoder layer', () => {
  const build = (extra: object) =>
    encoderLayer(
      {
        attention: gatedAttention({ width: 8, heads: 2 }, createRng(1)),
        width: 8,
        hidden: 16,
        activation: 'gelu',
        normFirst: false,
        shortcutScale: 2,
        dropout: 0,
        activationDropout: 0,
        ...extra,
      },
      createRng(2),
    );
  const x = random('x', [2, 4, 8], 5);

  test('normalised after has mean 0; before, the shortcut passes through', async () => {
    const y = build({}).forward(asTensor(x), still);
    expectAllClose(tf.mean(y, 2), tf.zeros([2, 4]), { atol: 1e-5 });
    const free = build({ normFirst: true }).forward(asTensor(x), still);
    expect((await tf.max(tf.abs(free)).data())[0]).toBeGreaterThan(3);
  });

  test('drops activations and outputs at rates of their own, only when training', () => {
    const training = { training: true, rng: createRng(4) };
    for (const rates of [{ dropout: 0.5 }, { activationDropout: 0.5 }]) {
      const layer = build(rates);
      const quiet = layer.forward(asTensor(x), still);
      expectAllClose(quiet, build({}).forward(asTensor(x), still), { atol: 0 });
      const moved = tf.max(tf.abs(tf.sub(layer.forward(asTensor(x), training), quiet))).dataSync()[0]!;
      expect(moved).toBeGreaterThan(0.01);
    }
  });
});
