import { readFileSync } from 'node:fs';
import { createRng, type GoldenFile, type GoldenTools, type NdArray } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { goldens, labelsOfMultiHot } from '../goldens.ts';
import { averagePrecision } from './map.ts';
import { rankClasses } from './metric.ts';
import { areaUnderRoc } from './roc.ts';
import { metricOf, metrics } from './table.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url));
const golden = JSON.parse(fixture('hear-scene-metrics.json').toString()) as GoldenFile & {
  cases: { id: string; n: number; C: number; per_class: Record<'ap' | 'auc', (number | 'NaN')[]> }[];
};

/** The fixture's tensors: F32 only, read straight from the header's offsets. */
const stored = ((): ((name: string) => NdArray | undefined) => {
  const bytes = fixture('hear-scene-metrics.safetensors');
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  type Entry = { shape: number[]; data_offsets: [number, number] };
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<string, Entry>;
  return (name) => {
    const entry = header[name];
    if (!entry) return undefined;
    const [from, to] = entry.data_offsets;
    return {
      data: new Float32Array(new Uint8Array(bytes.subarray(start + from, start + to)).buffer),
      shape: entry.shape,
    };
  };
})();

const absent = (): never => {
  throw new Error('not used by metric goldens');
};
const tools: GoldenTools = { dir: '', tensor: absent, audio: absent, parameter: absent, stored };

function expectWithin(actual: number | undefined, expected: number, what: string): void {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return;
  expect(Math.abs(actual! - expected), `${what}: ${actual} against ${expected}`).toBeLessThanOrEqual(1e-12);
}

describe('scene metrics', () => {
  test('equal the golden of heareval to 1e-12', async () => {
    const target = goldens['hear-scene-metrics']!;
    const outputs = await target.run(golden, tools);
    const expectations = Object.entries(target.expected(golden));
    expect(expectations).toHaveLength(120);
    for (const [name, expected] of expectations) expectWithin(outputs[name] as number, expected, name);
  });

  test('equal the golden of scikit-learn class by class to 1e-12', () => {
    for (const { id, n, C, per_class } of golden.cases) {
      const labels = labelsOfMultiHot(stored(`${id}.target`)!.data, n, C);
      const ranked = rankClasses({ scores: stored(`${id}.prediction`)!.data, labels, classes: C });
      for (const [c, classRanks] of ranked.entries()) {
        expectWithin(averagePrecision(classRanks), Number(per_class.ap[c]), `${id} AP ${c}`);
        expectWithin(areaUnderRoc(classRanks), Number(per_class.auc[c]), `${id} AUC ${c}`);
      }
    }
  });

  const labels = [[0], [1], [0, 1], [2], [0, 2], [1]];
  const rows = [0.9, 0.2, 0.1, 0.8, 0.7, 0.1, 0.8, 0.6, 0.3, 0.3, 0.6, 0.3, 0.5, 0.1, 0.9, 0.5, 0.4, 0.2];
  const worked = { scores: Float64Array.from(rows), labels, classes: 3 };

  test('give the values of the worked example', () => {
    expectWithin(metrics.mAP.compute(worked), 0.7981481481481482, 'mAP');
    expectWithin(metrics.aucroc.compute(worked), 0.8495370370370371, 'aucroc');
    expectWithin(metrics.d_prime.compute(worked), 1.5397258571328087, 'd_prime');
  });

  test('depend on the order of the scores alone, and not on the order of the clips', () => {
    const monotone = { ...worked, scores: worked.scores.map((score) => Math.exp(3 * score) - 7) };
    const order = [4, 2, 0, 5, 1, 3];
    const shuffled = {
      classes: 3,
      scores: Float64Array.from(order.flatMap((i) => rows.slice(3 * i, 3 * i + 3))),
      labels: order.map((i) => labels[i]!),
    };
    const ordered = Object.entries(metrics).filter(([name]) => name !== 'voc_ap'); // equal scores by place, as the original has it
    for (const [name, metric] of ordered) {
      expectWithin(metric.compute(monotone), metric.compute(worked), name);
      expectWithin(metric.compute(shuffled), metric.compute(worked), name);
    }
  });

  test('count a clip k times as if it stood in the list k times', () => {
    const rng = createRng(3);
    const n = 40;
    const scores = Float64Array.from({ length: n * 3 }, () => Math.round(8 * rng.uniform()) / 8);
    const clipLabels = Array.from({ length: n }, () => [rng.int(3)]);
    const counts = Int32Array.from({ length: n }, () => rng.int(4));
    const repeated = [...counts].flatMap((count, i) => Array.from({ length: count }, () => i));
    const long = {
      classes: 3,
      scores: Float64Array.from(repeated.flatMap((i) => [...scores.subarray(3 * i, 3 * i + 3)])),
      labels: repeated.map((i) => clipLabels[i]!),
    };
    for (const [name, metric] of Object.entries(metrics)) {
      expectWithin(metric.prepare({ scores, labels: clipLabels, classes: 3 })(counts), metric.compute(long), name);
    }
  });

  test('leave a class out of a resample that lost its positives', () => {
    const input = { scores: Float64Array.of(0.9, 0.1, 0.2, 0.8, 0.7, 0.3), labels: [[0], [1], [0]], classes: 2 };
    const counts = Int32Array.of(2, 0, 1);
    expect(metrics.mAP.prepare(input)(counts)).toBe(1);
    expect(metrics.aucroc.prepare(input)(counts)).toBeNaN();
  });

  test('read the chroma from a vocabulary of pitches with gaps', () => {
    const vocabulary = ['36', '41', '48'];
    const input = { scores: Float64Array.of(0.1, 0.2, 0.7, 0.1, 0.8, 0.1), labels: [[0], [0]], classes: 3 };
    expect(metrics.chroma_acc.compute(input)).toBe(0);
    expect(metrics.chroma_acc.compute({ ...input, vocabulary })).toBe(0.5);
  });

  test('refuse scores of another size, NaN scores and labels outside the classes', () => {
    const metric = metrics.mAP;
    expect(() => metric.compute({ scores: new Float64Array(5), labels: [[0], [1]], classes: 3 })).toThrow('[2, 3]');
    expect(() => metric.compute({ scores: Float64Array.of(0, NaN), labels: [[0]], classes: 2 })).toThrow(
      'class 1 is NaN',
    );
    expect(() => metric.compute({ scores: new Float64Array(2), labels: [[2]], classes: 2 })).toThrow('label 2');
    expect(() => metricOf('map')).toThrow('mAP');
  });
});
