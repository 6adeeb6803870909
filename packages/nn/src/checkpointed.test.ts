import { beforeAll, expect, test } from 'vitest';
import { createRng, goldenTensor, type Scalar, type Tensor } from '@unlabel/core';
import { expectAllClose, expectNoLeak, testEngine, tf, valueAndGrads } from '@unlabel/engine';
import { fusedAttention } from './attention.ts';
import { checkpointed } from './checkpointed.ts';
import { transformerBlock } from './transformer.ts';

beforeAll(() => testEngine());

const input = (): Tensor => tf.tensor(goldenTensor('input:x', 7, [3, 6, 8], 1).data, [3, 6, 8]);
const build = () =>
  transformerBlock(
    { attention: fusedAttention({ width: 8, heads: 2 }, createRng(1)), width: 8, hidden: 32, dropPath: 0.3 },
    createRng(2),
  );

/** A loss over two blocks, each of them checkpointed or not. */
function run(blocks: readonly ReturnType<typeof build>[], x: Tensor, isCheckpointed: boolean) {
  const params = new Map(
    blocks.flatMap((block, i) => [...block.params].map(([name, v]) => [`${i}.${name}`, v] as const)),
  );
  let kept = 0;
  const result = valueAndGrads(params, () => {
    const before = tf.memory().numTensors;
    const y = blocks.reduce((h, block, i) => {
      const pass = (inner: Tensor) => block.run(inner, { training: true, rng: createRng(i) }).y;
      return isCheckpointed ? checkpointed(pass, h, block.params) : pass(h);
    }, x);
    kept = tf.memory().numTensors - before;
    return { loss: tf.mean(tf.square(y)) as Scalar, logs: {} };
  });
  return { ...result, kept };
}

test('gives the loss and the gradients of the plain pass, dropped branches included', () => {
  const blocks = [build(), build()];
  const x = input();
  const [plain, saving] = [run(blocks, x, false), run(blocks, x, true)];
  expectAllClose(saving.loss, plain.loss, { rtol: 1e-6 });
  expect([...saving.grads.keys()].toSorted()).toEqual([...plain.grads.keys()].toSorted());
  for (const [name, grad] of plain.grads) expectAllClose(saving.grads.get(name)!, grad, { atol: 1e-6, rtol: 1e-5 });
});

test('keeps a few tensors a block instead of dozens, and leaves nothing behind', async () => {
  const blocks = [build(), build()];
  const x = input();
  expect(run(blocks, x, true).kept).toBeLessThan(run(blocks, x, false).kept / 5);
  await expectNoLeak(() => run(blocks, x, true).dispose());
});
