import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import {
  createRng,
  goldenTensor,
  parseConfig,
  type Batch,
  type NdArray,
  type Sample,
  type Step,
  type Tensor,
} from '@unlabel/core';
import {
  countParams,
  expectAllClose,
  expectNoLeak,
  sgd,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { deloresViews, fromLape } from './delores.ts';
import { deloresM, deloresMConfig } from './delores-m.ts';
import { deloresS, deloresSConfig } from './delores-s.ts';

beforeAll(() => testEngine());

const smallS = () => parseConfig(deloresSConfig, deloresS.presets['smoke']!.config ?? {}, 'test');
const smallM = () => parseConfig(deloresMConfig, { ...deloresM.presets['smoke']!.config, queueSize: 8 }, 'test');
const stepAt = (index: number): Step => ({ index, total: 10, epoch: 0, rng: createRng(index) });
const view = (name: string, rows = 4): Tensor =>
  tf.tensor(goldenTensor(`input:${name}`, 1, [rows, 64, 16], 2).data, [rows, 64, 16]);
const batchOf = (): Batch => ({ view1: view('view1'), view2: view('view2') });

describe('views', () => {
  const input: NdArray = goldenTensor('input:x', 1, [64, 96], 1);
  const views = deloresViews(parseConfig(deloresSConfig, { mixupMemory: 3 }, 'test'));
  const context = (position: number, asked: number[] = []) => ({
    rng: createRng(5),
    position,
    recent: async (k: number): Promise<Sample> => {
      asked.push(k);
      return { logMel: goldenTensor(`input:${k}`, 1, [64, 96], 1) };
    },
  });

  test('are two, of the shape of the input, different, and the same for the same draws', async () => {
    const { view1, view2 } = await views({ logMel: input }, context(10));
    expect(view1!.shape).toEqual([64, 96]);
    expect(view2!.shape).toEqual([64, 96]);
    expect(view1!.data).not.toEqual(view2!.data);
    expect((await views({ logMel: input }, context(10))).view1).toEqual(view1);
  });

  test('mix with nothing at the start of training, and reach back as far as the memory afterwards', async () => {
    const asked: number[] = [];
    await views({ logMel: input }, context(0, asked));
    expect(asked).toEqual([]);
    for (let seed = 0; seed < 60; seed++)
      await views({ logMel: input }, { ...context(100, asked), rng: createRng(seed) });
    expect(new Set(asked)).toEqual(new Set([1, 2, 3]));
    // the second view's memory of three begins with the input itself, which nobody has to be asked for
    expect(asked.length).toBeLessThan(120);
  });

  test('say what they need when the input has no log-mel', async () => {
    await expect(views({ audio: input }, context(0))).rejects.toThrow(/has audio; expected logMel/);
  });
});

describe('delores-s', () => {
  test("has the paper's number of parameters", () => {
    const model = deloresS.build(parseConfig(deloresSConfig, {}, 'test'), { rng: createRng(1) });
    expect(countParams(model.trainable)).toBe(17_912_960);
  });

  test('gives one batch of two views the loss, gradients and statistics of two passes', async () => {
    const [joint, apart] = [1, 1].map((seed) => deloresS.build(smallS(), { rng: createRng(seed) }));
    const batch = batchOf();
    const a = valueAndGrads(joint!.trainable, () => deloresS.loss(joint!, batch, stepAt(0)));
    const b = valueAndGrads(apart!.trainable, () => {
      const [y1, y2] = [batch['view1']!, batch['view2']!].map(
        (x) => apart!.backbone.forward(x, { training: true }).clip,
      );
      return { loss: apart!.head.loss(y1!, y2!, { training: true }).loss, logs: {} };
    });
    expectAllClose(a.loss, b.loss, { rtol: 1e-5 });
    const name = 'backbone.features.4.weight';
    // by norm: batch norm over few rows amplifies rounding in small elements
    const [there, here] = [a.grads.get(name)!, b.grads.get(name)!];
    expectAllClose(tf.div(tf.norm(tf.sub(there, here)), tf.norm(here)), 0, { atol: 1e-3 });
    const [after, expected] = [await toArrays(joint!.state), await toArrays(apart!.state)];
    for (const key of Object.keys(expected)) expectAllClose(after[key]!, expected[key]!, { atol: 1e-6, rtol: 1e-5 });
  });

  test('frees what a step makes', async () => {
    const model = deloresS.build(smallS(), { rng: createRng(1) });
    const optimizer = sgd(model.trainable, { momentum: 0.9 });
    const batch = batchOf();
    await expectNoLeak(() => {
      const result = valueAndGrads(model.trainable, () => deloresS.loss(model, batch, stepAt(0)));
      optimizer.step(result.grads, 0.01);
      result.dispose();
    });
  });
});

describe('delores-m', () => {
  const train = (model: ReturnType<typeof deloresM.build>, batch: Batch, index: number) => {
    deloresM.beforeStep!(model, stepAt(index));
    const result = valueAndGrads(model.trainable, () => deloresM.loss(model, batch, stepAt(index)));
    deloresM.afterStep!(model, batch, stepAt(index));
    return result;
  };

  test('fills its queue in turn, with columns of unit length', async () => {
    const model = deloresM.build(smallM(), { rng: createRng(1) });
    const columns = async () => {
      const { data, shape } = (await toArrays(model.state))['queue']!;
      return Array.from({ length: shape[1]! }, (_, k) =>
        Array.from({ length: shape[0]! }, (_, c) => data[c * shape[1]! + k]!),
      );
    };
    const before = await columns();
    for (const column of before) expect(column.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
    train(model, batchOf(), 1).dispose(); // four keys into a queue of eight: the second half
    const after = await columns();
    expect(after.slice(0, 4)).toEqual(before.slice(0, 4));
    for (const [i, column] of after.slice(4).entries()) {
      expect(column).not.toEqual(before[4 + i]);
      expect(column.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
    }
  });

  test('moves its key network by momentum alone', async () => {
    const model = deloresM.build(smallM(), { rng: createRng(1) });
    expect([...model.trainable.keys()].some((name) => name.startsWith('key.'))).toBe(false);
    model.query.contrast.params.get('bias')!.assign(tf.ones([16]));
    const held = await toArrays(model.key.contrast.params);
    const { grads, dispose } = train(model, batchOf(), 0);
    expect([...grads.keys()]).toEqual(expect.arrayContaining(['contrast.weight', 'barlow1.projector.0.weight']));
    const expected = held['bias']!.data.map((x) => 0.9 * x + 0.1);
    expectAllClose((await toArrays(model.key.contrast.params))['bias']!.data, expected, { atol: 1e-6 });
    dispose();
  });

  test('frees what a step makes', async () => {
    const model = deloresM.build(smallM(), { rng: createRng(1) });
    const batch = batchOf();
    await expectNoLeak(() => train(model, batch, 0).dispose());
  });

  test('asks for a queue that batches can fill', () => {
    const model = deloresM.build(smallM(), { rng: createRng(1) });
    expect(() => deloresM.loss(model, { view1: view('a', 3), view2: view('b', 3) }, stepAt(0))).toThrow(
      /queue of 8 keys.*batches of 3/,
    );
  });
});

test.each([
  ['encoder.encoder.features_2.1.running_mean', 'backbone.features.5.running_mean'],
  ['encoder_q.encoder.fc.3.weight', 'backbone.fc.3.weight'],
  ['encoder_k.encoder.features_1.0.bias', 'key.backbone.features.0.bias'],
  ['encoder_k.fc.bias', 'key.contrast.bias'],
  ['p.projector.4.weight', 'barlow.projector.4.weight'],
  ['p3.bn.running_var', 'barlow3.bn.running_var'],
  ['queue', 'queue'],
  ['queue_ptr', undefined],
])('%s of a LAPE checkpoint is %s here', (foreign, ours) => {
  expect(fromLape(foreign)).toBe(ours);
});

test.each([
  ['delores-s', deloresSConfig],
  ['delores-m', deloresMConfig],
])('the README lists every field of %s with its default', (_id, schema: z.ZodObject) => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8').replaceAll(/ +/g, ' ');
  const defaults = schema.parse({});
  for (const [name, field] of Object.entries(schema.shape)) {
    const { symbol = '', unit = '', paper = '' } = (field as z.ZodType).meta() ?? {};
    const row = `| \`${name}\` | ${JSON.stringify(defaults[name])} | ${String(symbol)} | ${String(unit)} | ${String(paper)} |`;
    expect(readme).toContain(row.replaceAll(/ +/g, ' '));
  }
});
