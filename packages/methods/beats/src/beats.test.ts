import { beforeAll, describe, expect, test } from 'vitest';
import { buildBeats, type Beats } from '@unlabel/backbones';
import {
  createRng,
  goldenTensor,
  parseConfig,
  type Batch,
  type BuildContext,
  type Method,
  type Model,
  type Scalar,
  type Step,
} from '@unlabel/core';
import { disposeParams, expectAllClose, leakCheck, mergeParams, optimizerFor, testEngine, tf, toArrays, valueAndGrads } from '@unlabel/engine'; // prettier-ignore
import { randomMask } from '@unlabel/nn';
import { beats, beatsStages } from './beats.ts';
import { fineTune, type FineTune } from './fine-tune.ts';
import { maskedPrediction, maskedPredictionTerms, type MaskedPrediction } from './masked-prediction.ts';
import { randomProjection } from './random-projection.ts';
import { encoderOf } from './shared.ts';
import { tokenizerDistillation, type TokenizerDistillation } from './tokenizer.ts';

beforeAll(() => testEngine());

const predictionConfig = (extra: object = {}) =>
  parseConfig(maskedPrediction.config, { ...maskedPrediction.presets['smoke']!.config, ...extra }, 'test');
const tokenizerConfig = (extra: object = {}) =>
  parseConfig(tokenizerDistillation.config, { ...tokenizerDistillation.presets['smoke']!.config, ...extra }, 'test');
const frames = 64;
const bandsOf = (name: string, rows = 4): Batch => ({
  x: tf.tensor(goldenTensor(`input:${name}`, 9, [rows, 128, frames], 1.5).data, [rows, 128, frames]),
});
const stepAt = (index: number): Step => ({ index, total: 20, epoch: 0, rng: createRng(7).fork(index) });
const free = (model: Model): void => disposeParams(mergeParams(model.trainable, model.state));

/** A frozen network, as a stage hands it on. */
function teacher(extra: object = {}): Beats {
  const network = buildBeats({ ...encoderOf(tokenizerConfig()), ...extra }, createRng(99));
  for (const variable of network.params.values()) variable.trainable = false;
  return network;
}

describe('the random projection', () => {
  const options = { patchSize: 2, patchWidth: 3, codes: 6, codeWidth: 4 };

  test('is its definition: project, normalise, project, normalise, nearest code', async () => {
    const tokenizer = randomProjection(options, createRng(4));
    const { patch, projection, codebook } = (await toArrays(tokenizer.params)) as Record<
      string,
      { data: Float32Array }
    >;
    const x = goldenTensor('input:bands', 3, [1, 4, 6], 2).data; // F 4, T 6: 3 × 2 patches
    const normed = (v: number[]): number[] => {
      const mean = v.reduce((a, b) => a + b, 0) / v.length;
      const variance = v.reduce((a, b) => a + (b - mean) ** 2, 0) / v.length;
      return v.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
    };
    const expected: number[] = [];
    for (let t = 0; t < 3; t++)
      for (let f = 0; f < 2; f++) {
        const wide = [0, 1, 2].map((e) => {
          let sum = 0;
          for (let i = 0; i < 2; i++)
            for (let j = 0; j < 2; j++) sum += patch!.data[(e * 2 + i) * 2 + j]! * x[(2 * f + j) * 6 + 2 * t + i]!;
          return sum;
        });
        const v = normed(
          Array.from({ length: 4 }, (_, c) =>
            normed(wide).reduce((sum, value, e) => sum + value * projection!.data[c * 3 + e]!, 0),
          ),
        );
        const distances = Array.from({ length: 6 }, (_, k) =>
          v.reduce((sum, value, c) => sum + (value - codebook!.data[k * 4 + c]!) ** 2, 0),
        );
        expected.push(distances.indexOf(Math.min(...distances)));
      }
    const labels = tf.tidy(() => tokenizer.labels(tf.tensor(x, [1, 4, 6])));
    expect([...(await labels.data())]).toEqual(expected);
  });

  test('centred, gives the codes of patches less that share of their means', async () => {
    const x = goldenTensor('input:bands', 3, [1, 4, 6], 2).data;
    const less = Float32Array.from(x);
    for (let t = 0; t < 6; t += 2)
      for (let f = 0; f < 4; f += 2) {
        const places = [0, 1].flatMap((i) => [0, 1].map((j) => (f + j) * 6 + t + i));
        const mean = places.reduce((sum, place) => sum + x[place]!, 0) / 4;
        for (const place of places) less[place]! -= 0.7 * mean;
      }
    const labels = async (centering: number, data: Float32Array): Promise<number[]> => {
      const found = tf.tidy(() =>
        randomProjection({ ...options, codes: 64, centering }, createRng(4)).labels(tf.tensor(data, [1, 4, 6])),
      );
      return [...(await found.data())];
    };
    const expected = await labels(0, less);
    expect(await labels(0.7, x as Float32Array)).toEqual(expected);
    expect(await labels(0, x as Float32Array)).not.toEqual(expected);
  });

  test('is not moved by training, and part of what a checkpoint holds', () => {
    const model = maskedPrediction.build(predictionConfig(), { rng: createRng(1) });
    for (const name of ['tokenizer.patch', 'tokenizer.projection', 'tokenizer.codebook']) {
      expect(model.state.has(name)).toBe(true);
      expect(model.trainable.has(name)).toBe(false);
    }
    free(model);
  });
});

describe('masked prediction', () => {
  test('sees the visible patches only, and answers for each masked one', async () => {
    const model = maskedPrediction.build(predictionConfig(), { rng: createRng(1) });
    const batch = bandsOf('a');
    const step = stepAt(0);
    const { masked } = randomMask({ rows: 4, tokens: 32, ratio: 0.75 }, step.rng.fork('mask'));
    const before = tf.tidy(() => maskedPredictionTerms(model, batch, step).logits);
    expect(before.shape).toEqual([4 * 24, 16]);
    const data = (await batch['x']!.data()).slice();
    for (const place of masked) {
      const [row, token] = [Math.floor(place / 32), place % 32];
      const [t, f] = [Math.floor(token / 8), token % 8];
      for (let band = 16 * f; band < 16 * f + 16; band++)
        for (let frame = 16 * t; frame < 16 * t + 16; frame++) data[(row * 128 + band) * frames + frame] = 5;
    }
    const after = tf.tidy(() => maskedPredictionTerms(model, { x: tf.tensor(data, [4, 128, frames]) }, step).logits);
    expectAllClose(after, before, { atol: 1e-6 });
    const others = tf.tidy(() => maskedPredictionTerms(model, bandsOf('b'), step).logits);
    expect(tf.max(tf.abs(tf.sub(others, before))).dataSync()[0]).toBeGreaterThan(1e-3);
    free(model);
  });

  test('measures itself against the frequencies of the labels so far', async () => {
    const model = maskedPrediction.build(predictionConfig(), { rng: createRng(1) });
    const counts = Array.from({ length: 16 }, () => 1);
    for (const index of [0, 1]) {
      const batch = bandsOf(`batch${index}`);
      const { labels } = tf.tidy(() => ({ labels: maskedPredictionTerms(model, batch, stepAt(index)).labels }));
      const known = [...(await labels.data())];
      const total = counts.reduce((a, b) => a + b);
      const expected = known.reduce((sum, k) => sum - Math.log(counts[k]! / total), 0) / known.length;
      const { logs } = tf.tidy(() => {
        const result = maskedPrediction.loss(model, batch, stepAt(index));
        return { logs: result.logs as Record<string, Scalar> };
      });
      expectAllClose(logs['unigram']!, expected, { rtol: 1e-5 });
      for (const k of known) counts[k]!++;
    }
    free(model);
  });

  test('takes its labels from the tokenizer of an earlier stage, and refuses another network', () => {
    const tokenizer = tokenizerDistillation.build(tokenizerConfig({ codes: 12 }), {
      rng: createRng(2),
      upstream: { iter1: teacher() },
    }).backbone;
    const model = maskedPrediction.build(predictionConfig(), {
      rng: createRng(1),
      upstream: { tokenizer2: tokenizer },
    });
    expect(model.state.has('tokenizer.patch')).toBe(false);
    const { logits } = tf.tidy(() => ({ logits: maskedPredictionTerms(model, bandsOf('a'), stepAt(0)).logits }));
    expect(logits.shape).toEqual([96, 12]);
    const build = (context: BuildContext) => maskedPrediction.build(predictionConfig(), context);
    expect(() => build({ rng: createRng(1), upstream: { iter1: teacher() } })).toThrow(
      'iter1 (beats); expected one beats-tokenizer',
    );
    free(model);
  });
});

describe('the tokenizer', () => {
  const build = (extra: object = {}, network = teacher()): TokenizerDistillation =>
    tokenizerDistillation.build(tokenizerConfig(extra), { rng: createRng(2), upstream: { iter1: network } });

  test('draws its codebook from the first batch, then moves the codes in use; its teacher stands still', async () => {
    const model = build();
    const still = await toArrays(model.teacher.params);
    const drawn = await model.backbone.codebook.data();
    const before = drawn.slice();
    run(tokenizerDistillation, model, [bandsOf('a')]);
    const first = (await model.backbone.codebook.data()).slice();
    expect(first).not.toEqual(before);
    expectAllClose(tf.sum(tf.square(model.backbone.codebook), 1), tf.ones([16]), { atol: 1e-5 });
    expect(tf.sum(model.clusterSize).dataSync()[0]).toBeCloseTo(4 * 32, 3); // every patch of the batch has a code
    run(tokenizerDistillation, model, [bandsOf('b')], 1);
    expect((await model.backbone.codebook.data()).slice()).not.toEqual(first);
    expect(await toArrays(model.teacher.params)).toEqual(still);
    free(model);
  });

  test('learns to rebuild what the teacher says', () => {
    const model = build();
    const batches = Array.from({ length: 12 }, () => bandsOf('a'));
    const losses = run(tokenizerDistillation, model, batches);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.05);
    free(model);
  });

  test('may have the logits of a fine-tuned teacher as target', () => {
    const model = build({ target: 'logits' }, teacher({ classes: 5 }));
    expect(model.trainable.get('estimator.out.weight')!.shape).toEqual([5, 24]);
    run(tokenizerDistillation, model, [bandsOf('a')]);
    expect(() => build({ target: 'logits' })).toThrow('no classifier');
    expect(() => tokenizerDistillation.build(tokenizerConfig(), { rng: createRng(1) })).toThrow('found none');
    free(model);
  });

  test('is taught by the last layer, however many layers are embedded', () => {
    const deep = { layers: 2, embedLayers: 2 };
    const model = build(deep, teacher(deep));
    expect([model.backbone.width, model.teacher.width]).toEqual([48, 48]);
    expect(model.trainable.get('estimator.out.weight')!.shape).toEqual([24, 24]);
    run(tokenizerDistillation, model, [bandsOf('a')]);
    free(model);
  });

  test('leaves nothing behind', async () => {
    const model = build();
    const batch = bandsOf('a');
    run(tokenizerDistillation, model, [batch], 0, false);
    const { tensors } = await leakCheck(() => void run(tokenizerDistillation, model, [batch], 1, false));
    expect(tensors).toBe(0);
    free(model);
  });
});

/** Steps of the smoke recipe by hand; the losses. */
function run<M extends MaskedPrediction | TokenizerDistillation | FineTune>(
  method: Pick<Method<never, M>, 'recipe' | 'loss' | 'afterStep'>,
  model: M,
  batches: readonly Batch[],
  from = 0,
  frees = true,
): number[] {
  const optimizer = optimizerFor({ ...method.recipe, lr: 5e-3 }, model.trainable);
  const losses = batches.map((batch, i) => {
    const step = stepAt(from + i);
    const { loss, grads, dispose } = valueAndGrads(model.trainable, () => method.loss(model, batch, step));
    optimizer.step(grads, 5e-3);
    method.afterStep?.(model, batch, step);
    const value = loss.dataSync()[0]!;
    dispose();
    if (frees) tf.dispose(Object.values(batch));
    return value;
  });
  optimizer.dispose();
  return losses;
}

const stagesOf = (config: object) => beatsStages(parseConfig(beats.config, config, 'test'));

test('with labels, the last tokenizer is taught by a fine-tuned network, and the last network is fine-tuned', () => {
  const labels = { vocabulary: ['a', 'b'], labelling: 'multiclass', size: 'smoke' };
  const stages = stagesOf({ iterations: 3, plus: true, fineTune: true, ...labels });
  expect(stages.map(({ id, upstream = [] }) => [id, ...upstream])).toEqual([
    ['iter1'],
    ['tokenizer2', 'iter1'],
    ['iter2', 'tokenizer2'],
    ['fine-tune2', 'iter2'],
    ['tokenizer3', 'fine-tune2'],
    ['iter3', 'tokenizer3'],
    ['fine-tune3', 'iter3'],
  ]);
  expect(stages[4]!.config['target']).toBe('logits');
  expect(stages[1]!.config['target']).toBeUndefined();
  for (const { method, config } of stages) expect(() => method.config.parse(config)).not.toThrow();
  expect(() => stagesOf({ plus: true })).toThrow('vocabulary');
  expect(() => stagesOf({ ...labels, plus: true, iterations: 1 })).toThrow('two iterations');
});

describe('fine-tuning', () => {
  const configOf = (extra: object = {}) =>
    parseConfig(
      fineTune.config,
      { ...fineTune.presets['smoke']!.config, vocabulary: ['a', 'b', 'c'], ...extra },
      'test',
    );

  test('starts from the network it is given, and from no other size', async () => {
    const start = teacher();
    const model = fineTune.build(configOf(), { rng: createRng(5), upstream: { iter1: start } });
    const name = 'encoder.layers.0.fc1.weight';
    expectAllClose(model.backbone.params.get(name)!, start.params.get(name)!, { atol: 0 });
    expect(model.backbone.params.get(name)!.trainable).toBe(true);
    expect(model.backbone.config['layerGradient']).toBe(0.6);
    const wide = teacher({ hidden: 60 });
    expect(() => fineTune.build(configOf(), { rng: createRng(5), upstream: { iter1: wide } })).toThrow(
      'fc1.weight is [60',
    );
    expect(() => fineTune.build(configOf({ vocabulary: [] }), { rng: createRng(5) })).toThrow('0 classes');
    free(model);
  });

  test.each(['multilabel', 'multiclass'] as const)('%s learns what it is told', (labelling) => {
    const model = fineTune.build(configOf({ labelling }), { rng: createRng(5) });
    const batch = { ...bandsOf('a', 3), labels: tf.eye(3) };
    const losses = run(
      fineTune,
      model,
      Array.from({ length: 25 }, () => batch),
      0,
      false,
    );
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
    free(model);
  });

  test('mixes labels as it mixes powers, and masks bands and frames', async () => {
    const views = fineTune.views(configOf({ mixup: 1, maskBands: 0, maskFrames: 0 }));
    const sample = (level: number, label: number) => ({
      logMel: { data: new Float32Array(128 * 20).fill(level), shape: [128, 20] },
      labels: { data: Float32Array.from({ length: 3 }, (_, i) => Number(i === label)), shape: [3] },
    });
    const context = { rng: createRng(3), position: 9, recent: () => Promise.resolve(sample(1, 2)) };
    const { x, labels } = await views(sample(0.5, 0), context);
    const [own, none, other] = labels!.data as Float32Array;
    expect(own! + other!).toBeCloseTo(1, 6);
    expect(none).toBe(0);
    expect(own).toBeGreaterThan(0.1);
    const power = own! ** 2 * Math.exp(0.5 * 13.11164 + 15.41663) + other! ** 2 * Math.exp(13.11164 + 15.41663);
    expect(x!.data[0]).toBeCloseTo((Math.log(power) - 15.41663) / 13.11164, 5);
    const first = await views(sample(0.5, 0), { ...context, position: 0 });
    expect([...(first['labels']!.data as Float32Array)]).toEqual([1, 0, 0]);
    const masked = await fineTune.views(configOf({ maskBands: 100, maskFrames: 10 }))(
      { ...sample(0.5, 0), logMel: { data: Float32Array.from({ length: 2560 }, (_, i) => i), shape: [128, 20] } },
      context,
    );
    expect(new Set(masked['x']!.data).size).toBeLessThan(2560);
  });
});

test('the stages alternate: each tokenizer is taught by the network before, and labels for the next', () => {
  const stages = stagesOf({ iterations: 3, size: 'small' });
  expect(stages.map(({ id }) => id)).toEqual(['iter1', 'tokenizer2', 'iter2', 'tokenizer3', 'iter3']);
  expect(stages.map(({ upstream }) => upstream)).toEqual([
    undefined,
    ['iter1'],
    ['tokenizer2'],
    ['iter2'],
    ['tokenizer3'],
  ]);
  for (const { method, config } of stages) expect(() => method.config.parse(config)).not.toThrow();
  expect(stages[0]!.config).toMatchObject({ width: 160, layers: 3, maskRatio: 0.5 });
});
