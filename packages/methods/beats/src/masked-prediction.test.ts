/** The whole step beside torch: `tools/fixtures/masked_prediction.py` made the numbers. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { createRng, parseConfig, sizeOf, type NdArray } from '@unlabel/core';
import {
  assignArrays,
  disposeParams,
  expectAllClose,
  gradientToArray,
  mergeParams,
  testEngine,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import type { TokenMask } from '@unlabel/nn';
import { maskedPrediction, maskedPredictionTerms } from './masked-prediction.ts';

interface Case {
  readonly filler: 'zeros' | 'learned';
  readonly labelSmoothing: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly logits: NdArray;
  readonly grads: Readonly<Record<string, { readonly stride: number; readonly data: readonly number[] }>>;
}
const { visible, labels, cases } = JSON.parse(
  readFileSync(new URL('../fixtures/masked-prediction.json', import.meta.url), 'utf8'),
) as { visible: number[][]; labels: number[][]; cases: Case[] };

beforeAll(() => testEngine());

const [rows, bands, frames, tokens, codes] = [2, 128, 96, 12, 7] as const;
const network = {
  patchSize: 32,
  patchWidth: 6,
  width: 8,
  hidden: 12,
  heads: 2,
  layers: 2,
  positionKernel: 4,
  positionGroups: 2,
  buckets: 8,
  maxDistance: 16,
  predictorWidth: 12,
  predictorLayers: 1,
  codes,
  dropout: 0,
  attentionDropout: 0,
  inputDropout: 0,
  layerDrop: 0,
};

/** The script's sines. */
const wave = (shape: readonly number[], seed: number, map: (value: number) => number): NdArray => ({
  data: Float32Array.from({ length: sizeOf(shape) }, (_, k) => map(Math.sin(0.37 * k * k + seed))),
  shape,
});

/** Places of the fixture's visible tokens, and the others. */
function maskOf(): TokenMask {
  const places = (isVisible: boolean): Int32Array =>
    Int32Array.from(
      visible.flatMap((seen, row) =>
        [...Array(tokens).keys()].filter((i) => seen.includes(i) === isVisible).map((i) => row * tokens + i),
      ),
    );
  return { rows, tokens, visiblePerRow: visible[0]!.length, visible: places(true), masked: places(false) };
}

test.each(cases)('loss and every gradient are torch’s: filler $filler, smoothing $labelSmoothing', async (expected) => {
  const { filler, labelSmoothing } = expected;
  const config = parseConfig(maskedPrediction.config, { ...network, filler, labelSmoothing }, 'test');
  const drawn = maskedPrediction.build(config, { rng: createRng(1) });
  const places = maskOf();
  const of = new Map(labels.flatMap((row, r) => row.map((code, i) => [places.masked[r * row.length + i]!, code])));
  const all = Int32Array.from({ length: rows * tokens }, (_, place) => of.get(place) ?? 0);
  const model = { ...drawn, tokenizer: { codes, labels: () => tf.tensor2d(all, [rows, tokens], 'int32') } };

  const shapes = await toArrays(model.trainable);
  const arrays: Record<string, NdArray> = {};
  for (const [i, name] of Object.keys(shapes).toSorted().entries()) {
    const scales = /(weight_g|grep_a)$/.test(name) || (name.includes('norm') && name.endsWith('weight'));
    arrays[name] = wave(shapes[name]!.shape, i, (value) => (scales ? 1 : 0) + 0.3 * value);
  }
  assignArrays(model.trainable, arrays);
  const input = wave([rows, bands, frames], 99, (value) => 1.5 * value);
  const x = tf.tensor(input.data, [rows, bands, frames]);

  const logits = tf.tidy(() => maskedPredictionTerms(model, { x }, { rng: createRng(0) }, places).logits);
  expectAllClose(logits, expected.logits, { atol: 2e-5, rtol: 1e-4 });
  const { loss, logs, grads } = valueAndGrads(model.trainable, () => {
    const terms = maskedPredictionTerms(model, { x }, { rng: createRng(0) }, places);
    return { loss: terms.loss, logs: { accuracy: terms.accuracy } };
  });
  expectAllClose(loss, expected.loss, { rtol: 1e-5 });
  expectAllClose(logs['accuracy']!, expected.accuracy, { rtol: 1e-6 });
  expect([...grads.keys()].sort()).toEqual(Object.keys(expected.grads).sort());
  for (const [name, { stride, data }] of Object.entries(expected.grads)) {
    const found = await gradientToArray(grads.get(name)!, model.trainable.get(name)!);
    expectAllClose(
      Float32Array.from(data, (_, i) => found.data[i * stride]!),
      data,
      { atol: 2e-6, rtol: 2e-4 },
    );
  }
  tf.dispose([x, logits, loss, logs['accuracy']!, ...grads.values()]);
  disposeParams(mergeParams(drawn.trainable, drawn.state));
});
