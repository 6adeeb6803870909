import { beforeAll, describe, expect, test } from 'vitest';
import { goldenTensor, type GoldenFile, type GoldenTools, type Tensor, type Variable } from '@unlabel/core';
import { parseSafetensors, readJson } from '@unlabel/formats';
import { readFile } from 'node:fs/promises';
import { tf } from '../backend.ts';
import { fixture } from '../golden-check.ts';
import { goldens, readOptimizerGolden, rulesOfGolden } from '../goldens.ts';
import { parameter } from '../params.ts';
import { expectAllClose, expectNoLeak, testEngine } from '../testing.ts';
import { adamW, adamWRule } from './adamw.ts';
import { larc, lars } from './lars.ts';
import { createOptimizer, decayAll, decayExceptVectors } from './optimizer.ts';
import { optimizerFor } from './recipe.ts';
import { sgd, sgdRule } from './sgd.ts';

beforeAll(() => testEngine());

async function load(name: string): Promise<GoldenFile> {
  const raw = (await readJson(`${fixture(new URL('..', import.meta.url).href + 'x', name)}.json`)) as GoldenFile & {
    SEED: number;
  };
  return { ...raw, seed: raw.SEED };
}

describe.each(Object.keys(goldens).filter((name) => name.startsWith('optim-')))('%s', (name) => {
  test('takes the reference steps on the engine, to float32 rounding', async () => {
    const golden = await load(name);
    const path = `${fixture(new URL('..', import.meta.url).href + 'x', name)}.safetensors`;
    const stored = parseSafetensors(await readFile(path));
    const tools = {
      tensor: (key, shape, scale) => goldenTensor(key, Number(golden.seed), shape, scale),
    } as GoldenTools;
    const { names, rates, start, grad } = readOptimizerGolden(golden, tools);
    const { transforms, excludesVectors } = rulesOfGolden(golden);
    const params = new Map(names.map((key) => [key, parameter(start(key))]));
    const optimizer = createOptimizer(params, transforms, excludesVectors ? decayExceptVectors : decayAll);
    for (const [i, lr] of rates.entries()) {
      const grads = new Map(names.map((key) => [key, tf.tensor(grad(i, key).data, params.get(key)!.shape) as Tensor]));
      optimizer.step(grads, lr);
      tf.dispose([...grads.values()]);
      for (const key of names) {
        // six float32 steps with rates up to 6: values of order 1 keep about six digits
        expectAllClose(params.get(key)!, stored.read(`step${i}.${key}`), { atol: 2e-6, rtol: 2e-6 });
      }
    }
  });
});

function small() {
  const params = new Map<string, Variable>([['w', parameter({ data: Float32Array.of(1, -2, 3, 4), shape: [2, 2] })]]);
  const grads = new Map<string, Tensor>([['w', tf.tensor([1, 1, 1, 1], [2, 2])]]);
  return { params, grads };
}

test('a step leaves no tensor behind', async () => {
  const { params, grads } = small();
  const optimizer = optimizerFor(
    { optimizer: 'adamw', lr: 1, schedule: 'constant', batchSize: 1, epochs: 1, weightDecay: 0.1 },
    params,
  );
  await expectNoLeak(() => optimizer.step(grads, 0.1));
});

test.each([false, true])('the fused step of SGD equals its chain of transforms, Nesterov %s', (isNesterov) => {
  const options = { momentum: 0.9, weightDecay: 0.1, isNesterov };
  const [fused, chained] = [small(), small()];
  const optimizers = [sgd(fused.params, options), createOptimizer(chained.params, sgdRule(options))];
  for (let i = 0; i < 3; i++) optimizers.forEach((optimizer) => optimizer.step(fused.grads, 0.1 * (i + 1)));
  expectAllClose(fused.params.get('w')!, chained.params.get('w')!, { rtol: 1e-6, atol: 1e-6 });
  const [a, b] = optimizers.map(({ state }) => state.get('momentum.w')!);
  expectAllClose(a!, b!, { rtol: 1e-6, atol: 1e-6 });
});

test('the fused step of AdamW equals its chain of transforms', () => {
  const options = { beta1: 0.8, beta2: 0.95, weightDecay: 0.1 };
  const [fused, chained] = [small(), small()];
  const optimizers = [adamW(fused.params, options), createOptimizer(chained.params, adamWRule(options))];
  for (let i = 0; i < 3; i++) optimizers.forEach((optimizer) => optimizer.step(fused.grads, 0.1 * (i + 1)));
  expectAllClose(fused.params.get('w')!, chained.params.get('w')!, { rtol: 1e-6, atol: 1e-6 });
  for (const slot of ['exp_avg.w', 'exp_avg_sq.w']) {
    const [a, b] = optimizers.map(({ state }) => state.get(slot)!);
    expectAllClose(a!, b!, { rtol: 1e-6, atol: 1e-6 });
  }
});

test.each([
  ['adamW', (params: ReturnType<typeof small>['params'], weightDecay: number) => adamW(params, { weightDecay })],
  [
    'sgd',
    (params: ReturnType<typeof small>['params'], weightDecay: number) => sgd(params, { momentum: 0.9, weightDecay }),
  ],
  ['larc', (params: ReturnType<typeof small>['params'], weightDecay: number) => larc(params, { weightDecay })],
  ['lars', (params: ReturnType<typeof small>['params'], weightDecay: number) => lars(params, { weightDecay })],
] as const)('a decay given to a step of %s stands in place of its own', (_name, build) => {
  const [own, given, other] = [small(), small(), small()];
  build(own.params, 0.3).step(own.grads, 0.1);
  build(given.params, 0.01).step(given.grads, 0.1, 0.3);
  build(other.params, 0.01).step(other.grads, 0.1);
  expectAllClose(given.params.get('w')!, own.params.get('w')!, {});
  expect(() => expectAllClose(other.params.get('w')!, own.params.get('w')!, { atol: 1e-6 })).toThrow();
});

test('vectors can be left out of the decay', () => {
  const params = new Map<string, Variable>([['b', parameter({ data: Float32Array.of(1, 2), shape: [2] })]]);
  const optimizer = sgd(params, { momentum: 0.9, weightDecay: 10, isDecayed: decayExceptVectors });
  optimizer.step(new Map([['b', tf.tensor([0, 0])]]), 1);
  expectAllClose(params.get('b')!, [1, 2], {});
});

test('an unknown gradient is an error that names it', () => {
  const { params } = small();
  expect(() => sgd(params).step(new Map([['v', tf.tensor([1])]]), 1)).toThrow(
    /gradient v is \[1\], expected no such name/,
  );
});

test('an option the optimiser does not know is an error that lists those it knows', () => {
  const recipe = {
    optimizer: 'sgd',
    lr: 1,
    schedule: 'constant',
    batchSize: 1,
    epochs: 1,
    options: { beta1: 1 },
  } as const;
  expect(() => optimizerFor(recipe, small().params)).toThrow(/beta1: sgd knows isNesterov/);
});
