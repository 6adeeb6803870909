import { resultSchema, type Result } from '@unlabel/core';
import { expect, test } from 'vitest';
import { makeBoard } from './board.ts';
import type { CollectedResult } from './collect.ts';
import { boardCsv } from './csv.ts';
import { boardHtml } from './html/page.ts';

/** A detection result whose resampled APs are given. */
function result(id: string, value: number, resamples: number[] | undefined): CollectedResult {
  const made: Result = resultSchema.parse({
    schema: 1,
    model: { id, method: 'x', fingerprint: id, params: 1, embeddingSize: 1, sampleRate: 0, source: id },
    task: { id: 'boxes', revision: 'coco@1', predictionType: 'multilabel', modality: 'image' },
    protocol: { id: 'detect/v1', options: { strides: [8], backboneRate: 0 } },
    seed: 0,
    metrics: { AP: { value, low: null, high: null, higherIsBetter: true } },
    primary: 'AP',
    n: 4,
    nFull: 4,
    ...(resamples && { resamples }),
    selection: [],
    time: { embedSeconds: 0, probeSeconds: 1 },
    environment: { probe: { engine: 'wasm' } },
    predictions: `detections/${id}.json`,
  });
  return { path: id, result: made, predictions: undefined };
}

test('results that keep their resampled scores are compared draw by draw', () => {
  // Hard and easy draws move both models alike: the difference is sure, though the scores are not.
  const draws = Array.from({ length: 101 }, (_, i) => i / 1000);
  const results = [
    result('a', 0.15, draws.map((x) => x + 0.1)),
    result('a-init', 0.05, draws),
    result('b', 0.1, undefined),
  ]; // prettier-ignore
  const { rows } = makeBoard(results, { title: 't', resamples: 101 });
  const [best] = rows;
  expect([best!.label, best!.versus!.isOwnInit]).toEqual(['a', true]);
  const { value, low, high } = best!.versus!.tasks['boxes@coco@1']!;
  expect(value).toBeCloseTo(0.1, 12);
  expect([low, high].map((end) => end!.toFixed(6))).toEqual(['0.100000', '0.100000']);
  expect(best!.mean.high! - best!.mean.low!).toBeGreaterThan(0.08);
  expect(rows.find(({ label }) => label === 'b')!.versus?.tasks).toEqual({});
  expect(makeBoard(results, { title: 't', resamples: 50 }).rows[0]!.versus!.tasks).toEqual({}); // other draws
});

test('the engine of a detector is that of its probe', () => {
  const board = makeBoard([result('a', 0.1, undefined)], { title: 't' });
  const [header, row] = boardCsv(board).split('\n');
  expect(row!.split(',')[header!.split(',').indexOf('engine')]).toBe('wasm');
  expect(boardHtml(board)).toContain('<small>probe engine wasm</small>');
});
