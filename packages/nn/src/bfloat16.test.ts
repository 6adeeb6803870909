/** A layer of BEATs with `precision: 'bf16'`, beside the same numbers in float32 on the plain JavaScript engine. */
import { createRng, goldenTensor, messageOf, type Scalar, type Tensor } from '@unlabel/core';
import { tf, trainableOf, useEngine, valueAndGrads } from '@unlabel/engine';
import { beforeAll, describe, expect, test } from 'vitest';
import { encoderLayer } from './encoder-layer.ts';
import { gatedAttention } from './gated-attention.ts';

const reason = await useEngine({ engine: 'tensorflow', precision: 'bf16' }).then(
  () => undefined,
  (error: unknown) => messageOf(error),
);
if (reason !== undefined)
  test(`precision bf16 is not tested here: ${reason}`, () => expect(reason).toMatch(/bf16|not installed/));

const [width, heads, hidden, rows, count] = [128, 2, 256, 2, 37];

/** Output of the layer, then gradients of its input and of each weight, by name. */
function run(): Map<string, Float32Array> {
  const rng = createRng(4);
  const layer = encoderLayer(
    {
      attention: gatedAttention({ width, heads, dropout: 0 }, rng.fork('attention')),
      width, hidden, activation: 'gelu', normFirst: false, shortcutScale: 24 ** 0.25, dropout: 0, activationDropout: 0,
    }, // prettier-ignore
    rng.fork('layer'),
  );
  const noise = (name: string, shape: number[]): Tensor => {
    const { data } = goldenTensor(`input:${name}`, 7, shape, 1);
    return tf.tensor(data, shape);
  };
  const [x, probe, bias] = [
    tf.variable(noise('x', [rows, count, width])),
    noise('probe', [rows, count, width]),
    noise('bias', [heads, count, count]),
  ];
  const forward = () => layer.forward(x, { training: false, bias });
  const params = new Map([...trainableOf(layer.params), ['x', x] as const]);
  const { grads } = valueAndGrads(params, () => ({ loss: tf.sum(tf.mul(forward(), probe)) as Scalar, logs: {} }));
  const numbers = (y: Tensor) => y.dataSync<'float32'>();
  return new Map([
    ['y', numbers(tf.tidy(forward))],
    ...[...grads].map(([name, grad]) => [name, numbers(grad)] as const),
  ]);
}

describe.skipIf(reason !== undefined)('a layer of BEATs in bfloat16', () => {
  let [found, exact] = [new Map<string, Float32Array>(), new Map<string, Float32Array>()];
  beforeAll(() => {
    found = run();
    void tf.setBackend('cpu');
    exact = run();
    void tf.setBackend('tensorflow');
  });

  test('differs from float32 by what rounding operands to eight bits explains, forward and in every gradient', () => {
    expect(exact.size).toBeGreaterThan(15);
    for (const [name, expected] of exact) {
      const actual = found.get(name)!;
      const length = Math.hypot(...expected);
      const error = Math.hypot(...expected.map((value, i) => actual[i]! - value)) / length;
      // One rounding is 2⁻⁹ of a number at most, about 2⁻¹⁰ on average; a gradient has gone through six products.
      if (length > 1e-3) expect([name, error < 2 ** -7]).toEqual([name, true]);
      if (name === 'y' || name === 'x' || name === 'fc1.weight') expect(error).toBeGreaterThan(2 ** -12);
    }
  });
});
