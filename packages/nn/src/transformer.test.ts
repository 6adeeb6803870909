import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type NdArray, type Scalar, type Tensor } from '@unlabel/core';
import {
  checkGradients,
  expectAllClose,
  expectNoLeak,
  testEngine,
  tf,
  trainableOf,
  valueAndGrads,
} from '@unlabel/engine';
import { attend, attendHeads, fusedAttention, joinHeads, projectedAttention } from './attention.ts';
import { dropPath, layerRuns, risingRates } from './drop-path.ts';
import { gelu } from './gelu.ts';
import { layerNorm, normalizeLast } from './layer-norm.ts';
import { linear } from './linear.ts';
import { patchEmbed } from './patch-embed.ts';
import { bicubicWeights, sinusoids, stretchGrid } from './pos-embed.ts';
import { fairseqNames, transformerBlock } from './transformer.ts';
import { foldWeightNorm, weightNormLinear, weightNormName } from './weight-norm.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[], scale = 1): NdArray => goldenTensor(`input:${name}`, 7, shape, scale);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);
const still = { training: false };

describe('layer norm', () => {
  test('has mean 0 and biased variance 1 over the last axis, before gain and offset', () => {
    const y = layerNorm(8, 1e-6).forward(asTensor(random('x', [3, 5, 8], 4)), still);
    const { mean, variance } = tf.moments(y, 2);
    expectAllClose(mean, tf.zeros([3, 5]), { atol: 1e-6 });
    expectAllClose(variance, tf.ones([3, 5]), { atol: 1e-5 });
  });

  test('has the gradients that differences show', async () => {
    const inputs = [random('x', [2, 3, 6], 2), random('gain', [6]), random('offset', [6]), random('probe', [2, 3, 6])];
    await checkGradients(
      (x, gain, offset, probe) => tf.sum(tf.mul(normalizeLast(x, gain, offset, 1e-5), probe)),
      inputs,
    );
  });
});

describe('gelu', () => {
  // x·(1 + erf(x/√2))/2 and x·(1 + tanh(√(2/π)(x + 0.044715x³)))/2 in float64 (Python's math module)
  test.each([
    ['erf', [-0.00404969, -0.15865525, -0.15426877, 0, 0.34573123, 0.84134475, 2.99595031]],
    ['tanh', [-0.00363739, -0.15880801, -0.15428599, 0, 0.34571401, 0.84119199, 2.99636261]],
  ] as const)('by %s has the values of its formula', (kind, expected) => {
    expectAllClose(gelu(tf.tensor1d([-3, -1, -0.5, 0, 0.5, 1, 3]), kind), [...expected], { atol: 1e-6 });
  });

  test.each(['erf', 'tanh'] as const)('by %s has the gradient that differences show', async (kind) => {
    await checkGradients((x) => tf.sum(gelu(x, kind)), [random('x', [20], 3)]);
  });
});

test('a linear layer with a GELU is the two one after the other', () => {
  const [both, alone] = ['tanh' as const, undefined].map((kind) => linear(6, 5, createRng(4), { gelu: kind }));
  const x = asTensor(random('x', [2, 3, 6]));
  expectAllClose(both!.forward(x, still), gelu(alone!.forward(x, still), 'tanh'), { atol: 1e-6 });
});

describe('attention', () => {
  const [q, k, v] = ['q', 'k', 'v'].map((name) => random(name, [2, 2, 3, 4], 2)) as [NdArray, NdArray, NdArray];

  test('is the mean of the values when queries are 0, whatever the keys', () => {
    const { y, weights } = attend(tf.zeros([2, 2, 3, 4]), asTensor(k), asTensor(v), 0.5, still);
    expectAllClose(weights, tf.fill([2, 2, 3, 3], 1 / 3), { atol: 1e-6 });
    const mean = tf.mean(asTensor(v), 2); // [B, H, d]
    expectAllClose(tf.slice(y, [0, 1, 0], [2, 1, 8]), tf.reshape(mean, [2, 1, 8]), { atol: 1e-6 });
  });

  test('does not see padding, and a large bias decides', () => {
    const padding = tf.tensor2d([0, 0, 1, 0, 1, 1], [2, 3], 'bool');
    const { weights } = attend(asTensor(q), asTensor(k), asTensor(v), 0.5, { ...still, padding });
    expectAllClose(tf.slice(weights, [0, 0, 0, 2], [1, 2, 3, 1]), tf.zeros([1, 2, 3, 1]), { atol: 0 });
    expectAllClose(tf.slice(weights, [1, 0, 0, 0], [1, 2, 3, 1]), tf.ones([1, 2, 3, 1]), { atol: 1e-6 }); // exp/sum rounds
    const bias = tf.tile(tf.tensor3d([0, 100, 0], [1, 1, 3]), [2, 3, 1]);
    const biased = attend(asTensor(q), asTensor(k), asTensor(v), 0.5, { ...still, bias }).weights;
    expectAllClose(tf.slice(biased, [0, 0, 0, 1], [2, 2, 3, 1]), tf.ones([2, 2, 3, 1]), { atol: 1e-6 });
  });

  test('has the gradients that differences show, the bias included', async () => {
    const probe = asTensor(random('probe', [2, 3, 8]));
    await checkGradients(
      (a, b, c, bias) => tf.sum(tf.mul(attend(a, b, c, 0.5, { ...still, bias }).y, probe)),
      [q, k, v, random('bias', [2, 3, 3])],
    );
  });

  test('of heads side by side is that of single operations, weights when asked for', () => {
    const [bias, gate] = [asTensor(random('bias', [2, 3, 3])), asTensor(random('gate', [2, 3, 2]))];
    const padding = tf.tensor2d([0, 0, 1, 0, 0, 0], [2, 3], 'bool');
    const call = { ...still, bias, gate, padding };
    const expected = attend(asTensor(q), asTensor(k), asTensor(v), 0.5, call);
    const [a, b, c] = [q, k, v].map((x) => joinHeads(asTensor(x))) as [Tensor, Tensor, Tensor];
    const found = attendHeads({ q: a, k: b, v: c }, { ...call, heads: 2, wantsWeights: true });
    expectAllClose(found.y, expected.y, { atol: 2e-6 });
    expectAllClose(found.weights!, expected.weights, { atol: 1e-6 });
    expect(attendHeads({ q: a, k: b, v: c }, { ...call, heads: 2 }).weights).toBeUndefined();
    expect(() => attendHeads({ q: a, k: b, v: c }, { training: true, heads: 2 }, 0.1)).toThrow(/random generator/);
  });

  test('one projection or three are the same function of the same weights', () => {
    const [one, three] = [
      fusedAttention({ width: 8, heads: 2 }, createRng(1)),
      projectedAttention({ width: 8, heads: 2 }, createRng(2)),
    ];
    for (const leaf of ['weight', 'bias']) {
      const parts = tf.split(one.params.get(`qkv.${leaf}`)!, 3, 0);
      ['q', 'k', 'v'].forEach((name, i) => three.params.get(`${name}_proj.${leaf}`)!.assign(parts[i]!));
      three.params.get(`out_proj.${leaf}`)!.assign(one.params.get(`proj.${leaf}`)!);
    }
    const x = asTensor(random('x', [2, 5, 8]));
    expectAllClose(three.attend(x, still).y, one.attend(x, still).y, { atol: 1e-6 });
  });

  test('refuses a width that its heads do not divide', () => {
    expect(() => fusedAttention({ width: 10, heads: 4 }, createRng(1))).toThrow(/10.*4 heads/);
  });
});

describe('transformer block', () => {
  const build = (order: 'pre' | 'post', extra = {}) =>
    transformerBlock(
      { attention: fusedAttention({ width: 8, heads: 2 }, createRng(1)), width: 8, hidden: 16, order, ...extra },
      createRng(2),
    );

  test('behind its norm has mean 0; before it the shortcut keeps the input’s scale', () => {
    const x = asTensor(random('x', [2, 4, 8], 10));
    const post = build('post', { shortcutScale: 3 }).run(x, still).y;
    expectAllClose(tf.mean(post, 2), tf.zeros([2, 4]), { atol: 1e-6 });
    expect(tf.max(tf.abs(build('pre').run(x, still).y)).dataSync()[0]).toBeGreaterThan(8);
  });

  test('reaches every parameter with a gradient', () => {
    const block = build('pre');
    const { grads, dispose } = valueAndGrads(block.params, () => ({
      loss: tf.sum(tf.square(block.run(asTensor(random('x', [2, 4, 8])), still).y)) as Scalar,
      logs: {},
    }));
    expect([...grads.keys()].toSorted()).toEqual([...trainableOf(block.params).keys()].toSorted());
    dispose();
  });

  test('takes its names from a table', () => {
    const names = [...build('post', { names: fairseqNames }).params.keys()];
    expect(names).toContain('self_attn_layer_norm.weight');
    expect(names).toContain('fc1.bias');
  });

  test('leaves nothing behind', async () => {
    const block = build('pre', { dropPath: 0.5, dropout: 0.1 });
    const x = asTensor(random('x', [2, 4, 8]));
    const run = () => valueAndGrads(block.params, () => ({
      loss: tf.sum(block.run(x, { training: true, rng: createRng(1) }).y) as Scalar,
      logs: {},
    })).dispose(); // prettier-ignore
    await expectNoLeak(run);
  });
});

describe('drop path', () => {
  test('drops whole rows and scales the rest, only when training', () => {
    const x = tf.ones([200, 3]);
    const y = dropPath(0.25)
      .forward(x, { training: true, rng: createRng(1) })
      .arraySync() as number[][];
    const kept = y.filter((row) => row[0] !== 0);
    expect(kept.every((row) => row.every((v) => Math.abs(v - 4 / 3) < 1e-6))).toBe(true);
    expect(kept.length).toBeGreaterThan(125);
    expect(kept.length).toBeLessThan(175);
    expect(dropPath(0.25).forward(x, still)).toBe(x);
    expect(() => dropPath(0.25).forward(x, { training: true })).toThrow(/random generator/);
    expect(() => dropPath(1)).toThrow(/outside/);
  });

  test('whole layers run always in evaluation and at their rate when training', () => {
    const rng = createRng(1);
    const runs = Array.from({ length: 400 }, () => layerRuns(0.25, { training: true, rng })).filter(Boolean).length;
    expect(Math.abs(runs - 300)).toBeLessThan(40);
    expect(layerRuns(0.9, still)).toBe(true);
  });

  test('rates rise evenly', () => {
    expect(risingRates(0.2, 3)).toEqual([0, 0.1, 0.2]);
    expect(risingRates(0.2, 1)).toEqual([0]);
  });
});

describe('positions and patches', () => {
  test('sinusoids are sin and cos in turn', () => {
    const table = sinusoids(3, 4);
    expect([...table.subarray(0, 4)]).toEqual([0, 1, 0, 1]);
    expect(table[8]).toBeCloseTo(Math.sin(2), 6);
    expect(table[11]).toBeCloseTo(Math.cos(2 / 100), 6);
  });

  test('bicubic weights sum to one and reproduce a line away from the edges', () => {
    const weights = bicubicWeights(8, 13);
    for (let row = 0; row < 13; row++) {
      const taps = weights.subarray(row * 8, row * 8 + 8);
      expect(taps.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    }
    const middle = weights.subarray(6 * 8, 7 * 8);
    expect(middle.reduce((sum, w, i) => sum + w * i, 0)).toBeCloseTo((6.5 * 8) / 13 - 0.5, 12);
  });

  test('a stretched grid has a gradient', async () => {
    const [from, to] = [{ height: 3, width: 2 }, { height: 4, width: 5 }]; // prettier-ignore
    await checkGradients((grid) => tf.sum(tf.square(stretchGrid(grid, from, to))), [random('grid', [1, 6, 2])]);
  });

  test('patches leave out what is no whole patch', () => {
    const embed = patchEmbed({ patch: [4, 2], channels: 3, width: 5 }, createRng(1));
    expect(embed.forward(tf.zeros([2, 11, 7, 3])).shape).toEqual([2, 2, 3, 5]);
    expect(() => embed.forward(tf.zeros([2, 3, 7, 3]))).toThrow(/\[2, 3, 7, 3\].*4 or more/);
  });
});

describe('weight norm', () => {
  test('has rows of the stated length, and folding gives the same weight', () => {
    const layer = weightNormLinear(4, 3, createRng(1));
    layer.params.get('weight_g')!.assign(tf.tensor2d([1, 2, 3], [3, 1]));
    const w = tf.transpose(layer.forward(tf.eye(4), still)); // [out, in]
    expectAllClose(tf.norm(w, 2, 1), [1, 2, 3], { atol: 1e-6 });
    const direction = { data: layer.params.get('weight_v')!.dataSync<'float32'>(), shape: [3, 4] };
    expectAllClose(w, foldWeightNorm({ data: Float32Array.of(1, 2, 3), shape: [3, 1] }, direction), { atol: 1e-6 });
  });

  test('folds over all axes but the magnitude’s own', () => {
    const { data } = foldWeightNorm(
      { data: Float32Array.of(5, 13), shape: [1, 1, 2] },
      { data: Float32Array.of(3, 5, 4, 12), shape: [2, 1, 2] },
    );
    expect([...data]).toEqual([3, 5, 4, 12]);
    expect(() => foldWeightNorm({ data: new Float32Array(3), shape: [3] }, random('v', [2, 3]))).toThrow(
      /does not fit/,
    );
  });

  test('reads both spellings', () => {
    expect(weightNormName('pos_conv.0.parametrizations.weight.original0')).toBe('pos_conv.0.weight_g');
    expect(weightNormName('pos_conv.0.parametrizations.weight.original1')).toBe('pos_conv.0.weight_v');
    expect(weightNormName('pos_conv.0.bias')).toBe('pos_conv.0.bias');
  });
});
