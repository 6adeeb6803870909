import { beforeAll, describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type NdArray, type Tensor } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf } from '@unlabel/engine';
import { unitRows } from './info-nce.ts';
import { codebookHealth, cosineKMeans, deadCodes, nearestCodes, quantize, updateCodebook } from './vector-quantizer.ts';

beforeAll(() => testEngine());

const random = (name: string, shape: number[]): NdArray => goldenTensor(`input:${name}`, 17, shape, 1);
const asTensor = ({ data, shape }: NdArray): Tensor => tf.tensor(data, [...shape]);
const unit = (name: string, shape: number[]): Tensor => unitRows(asTensor(random(name, shape)));

/** Three directions in the plane with a little noise, four vectors each. */
function bundles(): Tensor {
  const rng = createRng(2);
  const angles = [0.1, 2.2, 4.4].flatMap((a) => Array.from({ length: 4 }, () => a + 0.05 * rng.normal()));
  return tf.tensor2d(angles.map((a) => [Math.cos(a), Math.sin(a)]));
}

describe('cosine k-means', () => {
  test('finds bundles of directions, whatever it starts from', async () => {
    const vectors = bundles();
    // of several starts the best: k-means may put two codes into one bundle
    const found = Array.from({ length: 5 }, (_, seed) => cosineKMeans(vectors, 3, createRng(seed)));
    const fits = await Promise.all(
      found.map(async ({ codebook }) => {
        const best = tf.max(tf.matMul(vectors as never, codebook as never, false, true), 1);
        return (await tf.min(best).data())[0]!;
      }),
    );
    const at = fits.indexOf(Math.max(...fits));
    expect(fits[at]).toBeGreaterThan(0.98);
    expectAllClose(found[at]!.counts, [4, 4, 4], { atol: 0 });
    expectAllClose(tf.sum(tf.square(found[at]!.codebook), 1), [1, 1, 1], { atol: 1e-5 });
  });

  test('draws with replacement where vectors are fewer than codes; equal seeds give equal codes', () => {
    const vectors = unit('v', [3, 4]);
    const [a, b] = [cosineKMeans(vectors, 8, createRng(1)), cosineKMeans(vectors, 8, createRng(1))];
    expect(a.codebook.shape).toEqual([8, 4]);
    expectAllClose(a.codebook, b.codebook, { atol: 0 });
    expect(tf.sum(a.counts).dataSync()[0]).toBe(3);
  });

  test('is Lloyd’s iteration written out', async () => {
    const vectors = unit('v', [20, 3]);
    const v = (await vectors.array()) as number[][];
    const order = createRng(7).permutation(20);
    let codes = Array.from(order.subarray(0, 4), (i) => v[i]!);
    for (let step = 0; step < 10; step++) {
      const nearest = v.map((x) => {
        const cosines = codes.map((c) => c.reduce((sum, value, j) => sum + value * x[j]!, 0));
        return cosines.indexOf(Math.max(...cosines));
      });
      codes = codes.map((held, k) => {
        const own = v.filter((_, i) => nearest[i] === k);
        if (own.length === 0) return held;
        const mean = held.map((_, j) => own.reduce((sum, x) => sum + x[j]!, 0));
        const length = Math.hypot(...mean);
        return mean.map((value) => value / length);
      });
    }
    expectAllClose(cosineKMeans(vectors, 4, createRng(7)).codebook, tf.tensor2d(codes), { atol: 1e-5 });
  });
});

describe('quantisation', () => {
  const codebook = (): Tensor => unit('codes', [5, 4]);

  test('takes the code of largest cosine, and passes the gradient of the code on to the unit vector', () => {
    const z = asTensor(random('z', [6, 4]));
    const probe = asTensor(random('probe', [6, 4]));
    const { codes, labels } = quantize(z, codebook());
    expectAllClose(codes, tf.gather(codebook(), labels), { atol: 0 });
    expectAllClose(labels, nearestCodes(unitRows(z), codebook()), { atol: 0 });
    const straight = tf.grad((x: Tensor) => tf.sum(tf.mul(quantize(x, codebook()).codes, probe)))(z);
    const plain = tf.grad((x: Tensor) => tf.sum(tf.mul(unitRows(x), probe)))(z);
    expectAllClose(straight, plain, { atol: 1e-6 });
  });

  test('moves used codes only, and leaves nothing behind', async () => {
    const book = tf.variable(codebook(), false);
    const sizes = tf.variable(tf.ones([5]), false);
    const vectors = tf.slice(codebook(), [2, 0], [1, 4]); // equal to code 2
    const before = book.clone();
    const two = tf.tensor1d([2], 'int32');
    await expectNoLeak(() =>
      updateCodebook({ codebook: book, clusterSize: sizes, unit: vectors, labels: two, decay: 0.9 }),
    );
    expectAllClose(book, before, { atol: 1e-6 });
    const other = unit('other', [1, 4]);
    updateCodebook({ codebook: book, clusterSize: sizes, unit: other, labels: tf.tensor1d([1], 'int32'), decay: 0.9 });
    const moved = tf.sum(tf.abs(tf.sub(book, before)), 1).dataSync();
    expect(moved[1]).toBeGreaterThan(1e-3);
    for (const k of [0, 2, 3, 4]) expect(moved[k]).toBeLessThan(1e-5);
    expect(() =>
      updateCodebook({ codebook: book, clusterSize: sizes, unit: other, labels: tf.tensor1d([1], 'int32'), decay: 2 }),
    ).toThrow('decay 2');
  });
});

test('health: share of codes in use, perplexity, dead codes', () => {
  const { usage, perplexity } = codebookHealth(tf.tensor1d([0, 0, 3, 3], 'int32'), 8);
  expectAllClose(usage, 2 / 8, { atol: 1e-6 });
  expectAllClose(perplexity, 2, { rtol: 1e-5 });
  expectAllClose(deadCodes(tf.tensor1d([10, 10, 0.01, 0])), 0.5, { atol: 0 });
});
