import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createRng, goldenTensor, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { parseSafetensors } from '@unlabel/formats';
import type { Embeddings } from '../embeddings.ts';
import { centroid, cl2n, cosine, fewShotClassifiers, l2Centroid, logistic, sgdLogistic } from './classifiers.ts';
import { drawEpisodes, episodesHash, type Episodes } from './episodes.ts';
import { createFewShotRunner, meanOf } from './few-shot.ts';
import { fewShotGoldens, goldenEpisodes } from './goldens.ts';
import {
  accuracies,
  officialInterval,
  pairedEpisodes,
  studentQuantile,
  summarizeEpisodes,
  summarizeValues,
} from './summary.ts';

const path = (name: string): URL => new URL(`../../fixtures/few-shot/${name}`, import.meta.url);
const golden = JSON.parse(readFileSync(path('few-shot-episodes.json'), 'utf8')) as GoldenFile & {
  readonly results: readonly { readonly key: string; readonly sgd_logistic_mean_over_5_seeds: number }[];
};
const file = parseSafetensors(readFileSync(path('few-shot-episodes.safetensors')), 'few-shot-episodes');
const stored: GoldenTools['stored'] = (name) => (file.names.includes(name) ? file.read(name) : undefined);

/** Classes of `each` clips, one window each. */
function clipsOf(data: Float32Array, width: number): { embeddings: Embeddings; offsets: Int32Array } {
  return { embeddings: { data, width }, offsets: Int32Array.from({ length: data.length / width + 1 }, (_, i) => i) };
}
const classesOf = (classes: number, each: number): number[][] =>
  Array.from({ length: classes }, (_, c) => Array.from({ length: each }, (_, i) => c * each + i));
const shape = { ways: 5, shots: 1, queries: 1, episodes: 50, seed: 0, key: 'test' };

describe('golden few-shot-episodes', () => {
  const target = fewShotGoldens['few-shot-episodes'];
  const tools = { stored } as unknown as GoldenTools; // nothing else is read
  const outputs = target.run(golden, tools) as Record<string, { data: ArrayLike<number> } | number>;

  test.each(golden.results.map(({ key }) => key))(
    '%s: predictions are identical, probabilities and losses to 1e-5',
    (key) => {
      for (const name of ['centroid', 'logreg', 'cl2n', 'cosine']) {
        const found = outputs[`${key}.pred_${name}`] as { data: ArrayLike<number> };
        expect([...(found.data as Int32Array)]).toEqual([...(stored(`${key}.pred_${name}`)!.data as Int32Array)]);
      }
      for (const name of ['prob_logreg', 'loss_centroid']) {
        const found = (outputs[`${key}.${name}`] as { data: Float64Array }).data;
        const expected = stored(`${key}.${name}`)!.data;
        expect(found.length).toBe(expected.length);
        found.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(1e-5));
      }
    },
  );

  test('means, deviations and intervals are the official ones', () => {
    const expected = Object.entries(target.expected(golden)) as [string, number][];
    expect(expected.length).toBe(36);
    for (const [name, value] of expected) expect(outputs[name]).toBeCloseTo(value, 8);
  });

  test('SGD’s mean over five seeds is within 2 points of scikit-learn’s', () => {
    const { clips, runs } = goldenEpisodes(golden, stored);
    const runner = createFewShotRunner(clips);
    for (const { key, episodes } of runs) {
      const means = [0, 1, 2, 3, 4].map(
        (seed) => summarizeEpisodes(runner.run(sgdLogistic, episodes, { seed }).correct, episodes).mean,
      );
      const wanted = golden.results.find((result) => result.key === key)!.sgd_logistic_mean_over_5_seeds;
      expect(Math.abs(20 * means.reduce((a, b) => a + b, 0) - wanted)).toBeLessThan(2);
    }
  });

  test('products an episode at a time give the same predictions as the whole matrix', () => {
    const { clips, runs } = goldenEpisodes(golden, stored);
    const [whole, apart] = [createFewShotRunner(clips), createFewShotRunner(clips, { memory: 0 })];
    for (const { episodes } of runs) {
      for (const classifier of [centroid, cl2n, logistic]) {
        expect(apart.run(classifier, episodes).predictions).toEqual(whole.run(classifier, episodes).predictions);
      }
    }
  });
});

describe('drawEpisodes', () => {
  const clips = classesOf(9, 6);
  const options = { ways: 4, shots: 2, queries: 3, episodes: 200, seed: 5, key: 'a' };

  test('classes differ, clips are of their class and never both learnt from and tested', () => {
    const { classes, support, query, draws } = drawEpisodes(clips, options);
    for (let e = 0; e < 200; e++) {
      const chosen = [...classes.subarray(e * 4, (e + 1) * 4)];
      expect(new Set(chosen).size).toBe(4);
      const used = [...support.subarray(e * 8, (e + 1) * 8), ...query.subarray(e * 12, (e + 1) * 12)];
      expect(new Set(used).size).toBe(20);
      chosen.forEach((one, n) => {
        for (let k = 0; k < 2; k++) expect(Math.floor(support[(e * 4 + n) * 2 + k]! / 6)).toBe(one);
        for (let q = 0; q < 3; q++) expect(Math.floor(query[(e * 4 + n) * 3 + q]! / 6)).toBe(one);
      });
    }
    expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
    const counts = clips.map((_, c) => classes.filter((one) => one === c).length);
    expect(Math.min(...counts)).toBeGreaterThan(60); // 89 expected
  });

  test('an episode does not depend on how many others there are; seed and data matter', () => {
    const [few, many] = [drawEpisodes(clips, { ...options, episodes: 3 }), drawEpisodes(clips, options)];
    expect(many.support.subarray(0, 24)).toEqual(few.support);
    expect(many.draws.subarray(0, 24)).toEqual(few.draws);
    expect(drawEpisodes(clips, { ...options, seed: 6 }).support).not.toEqual(many.support);
    expect(drawEpisodes(clips, { ...options, key: 'b' }).support).not.toEqual(many.support);
  });

  test('the first hundred are these on every machine', () => {
    expect(episodesHash(drawEpisodes(clips, { ...options, episodes: 100 }))).toMatchInlineSnapshot(
      `"4682897b662d083e5aed4984c971a7dcd6ef312afe6dccc8591830f6ee175e21"`,
    );
  });

  test('too few classes, too few clips and senseless numbers are refused with their reason', () => {
    expect(() => drawEpisodes(classesOf(3, 6), options)).toThrow(/4 ways need 4 classes, and there are 3/);
    expect(() => drawEpisodes(classesOf(9, 4), options)).toThrow(/need 5 clips of each class; class 0 has 4/);
    expect(() => drawEpisodes(clips, { ...options, shots: 0 })).toThrow(/shots 0/);
  });
});

describe('classifiers', () => {
  const all = Object.values(fewShotClassifiers);

  test.each(all.filter(({ id }) => id !== 'sgd-logistic'))(
    '$id: equal embeddings give exactly chance, ties going to the first label',
    (classifier) => {
      const clips = clipsOf(new Float32Array(60 * 3).fill(0.7), 3);
      const episodes = drawEpisodes(classesOf(10, 6), shape);
      const { correct } = createFewShotRunner(clips).run(classifier, episodes);
      expect(correct.every((count) => count === 1)).toBe(true);
      expect(summarizeEpisodes(correct, episodes).mean).toBeCloseTo(0.2, 14);
    },
  );

  test.each(all)('$id: one-hot embeddings of the class are all right', (classifier) => {
    const data = new Float32Array(60 * 10);
    for (let clip = 0; clip < 60; clip++) data[clip * 10 + Math.floor(clip / 6)] = 1;
    for (const episodes of [
      drawEpisodes(classesOf(10, 6), shape),
      drawEpisodes(classesOf(10, 6), { ...shape, ways: 2, shots: 3 }),
    ]) {
      const { correct } = createFewShotRunner(clipsOf(data, 10)).run(classifier, episodes);
      expect(correct.every((count) => count === episodes.ways)).toBe(true);
    }
  });

  test('CL2N takes the mean it is given, and that of all windows otherwise', () => {
    const data = goldenTensor('input:x', 3, [60, 8]).data.map((x) => x + 4);
    const clips = clipsOf(data, 8);
    const episodes = drawEpisodes(classesOf(10, 6), shape);
    const own = createFewShotRunner(clips).run(cl2n, episodes);
    expect(createFewShotRunner(clips, { baseMean: meanOf(clips.embeddings) }).run(cl2n, episodes)).toEqual(own);
    const zero = createFewShotRunner(clips, { baseMean: new Float64Array(8) }).run(cl2n, episodes);
    expect(zero).not.toEqual(own);
    expect(zero).toEqual(createFewShotRunner(clips).run(l2Centroid, episodes));
    expect(() => createFewShotRunner(clips, { baseMean: new Float64Array(7) }).run(cl2n, episodes)).toThrow(/7 values/);
  });

  test('logistic regression is where its gradient vanishes, however large the embeddings', () => {
    const width = 6;
    for (const scale of [0.05, 1, 30]) {
      const data = goldenTensor(`input:${scale}`, 4, [20, width], scale).data;
      const clips = clipsOf(data, width);
      const support = Int32Array.from({ length: 9 }, (_, i) => i);
      const one: Episodes = {
        ways: 3, shots: 3, queries: 3, episodes: 1, classes: Int32Array.of(0, 1, 2), support, query: support, draws: new Float64Array(9),
      }; // prettier-ignore
      let scores = new Float64Array(0);
      createFewShotRunner(clips).run(logistic, one, { onScores: (_, found) => (scores = found.slice()) });
      // W = Σ (y − p) x at the optimum, and the residuals of each class sum to zero because of the bias
      const residual = Array.from({ length: 9 }, (_, i) => {
        const row = [...scores.subarray(3 * i, 3 * i + 3)];
        const top = Math.max(...row);
        const sum = row.reduce((x, y) => x + Math.exp(y - top), 0);
        return row.map((score, n) => (Math.floor(i / 3) === n ? 1 : 0) - Math.exp(score - top) / sum);
      });
      const logit = (i: number, n: number): number =>
        residual.reduce((sum, r, j) => {
          let dot = 0;
          for (let d = 0; d < width; d++) dot += data[i * width + d]! * data[j * width + d]!;
          return sum + r[n]! * dot;
        }, 0);
      for (let n = 0; n < 3; n++) {
        expect(Math.abs(residual.reduce((sum, r) => sum + r[n]!, 0))).toBeLessThan(1e-5);
        for (let i = 1; i < 9; i++) {
          const expected = logit(i, n) - logit(0, n); // the bias cancels
          expect(Math.abs(scores[3 * i + n]! - scores[n]! - expected)).toBeLessThan(
            3e-5 * Math.max(1, scale), // weights are exact to about 1e-6, windows as long as `scale` says
          );
        }
      }
    }
  });
});

describe('windows', () => {
  /** Class 0 at 0, class 1 at 1; clip 3 of class 1 has windows that vote. */
  const episode = (query: number, draws: number[]): Episodes => ({
    ways: 2, shots: 1, queries: 1, episodes: 1, classes: Int32Array.of(0, 1), support: Int32Array.of(0, 1), query: Int32Array.of(2, query), draws: Float64Array.from(draws),
  }); // prettier-ignore
  const rows = Float32Array.of(0, 9, 1, 0.1, 0.1, 0.9, 0.8, 0.1, 0.9);
  const clips = { embeddings: { data: rows, width: 1 }, offsets: Int32Array.of(0, 2, 3, 4, 7, 9) };

  test('a query clip gets the label most of its windows get, the smaller one when they tie', () => {
    const runner = createFewShotRunner(clips);
    expect([...runner.run(centroid, episode(3, [0, 0])).predictions]).toEqual([0, 1]);
    expect([...runner.run(centroid, episode(4, [0, 0])).predictions]).toEqual([0, 0]);
  });

  test('a support clip lends the window its draw says', () => {
    const { predictions } = createFewShotRunner(clips).run(centroid, episode(3, [0.5, 0]));
    expect([...predictions]).toEqual([1, 1]); // class 0 is now at 9
  });

  test('clips without windows are refused', () => {
    expect(() => createFewShotRunner({ ...clips, offsets: Int32Array.of(0, 2, 2, 9) })).toThrow(/one window or more/);
    expect(() => createFewShotRunner(clips).run(centroid, episode(7, [0, 0]))).toThrow(/clip 7 of 5/);
  });
});

describe('summaries', () => {
  test('the workbook’s interval: sd 21.4230 over 10,000 episodes is 0.41989', () => {
    const values = Float64Array.from({ length: 10_000 }, (_, e) => 74.658 + (e % 2 === 0 ? 21.423 : -21.423));
    const { mean, sd, ci95 } = officialInterval(values);
    expect(mean).toBeCloseTo(74.658, 9);
    expect(sd).toBeCloseTo(21.423, 9);
    expect(ci95).toBeCloseTo(0.41989, 5);
  });

  test('classes that differ widen the second interval, and it covers the mean of fresh classes about as often as it says', () => {
    const [classes, trials] = [12, 300];
    let covered = 0;
    let official = 0;
    for (let trial = 0; trial < trials; trial++) {
      const rng = createRng(trial);
      const effects = Array.from({ length: classes }, () => 0.05 * rng.normal());
      const episodes = drawEpisodes(classesOf(classes, 2), {
        ways: 5,
        shots: 1,
        queries: 1,
        episodes: 300,
        seed: trial,
        key: 'sim',
      });
      const values = Float64Array.from({ length: 300 }, (_, e) => {
        const own = [...episodes.classes.subarray(5 * e, 5 * e + 5)];
        return 0.6 + own.reduce((sum, c) => sum + effects[c]!, 0) + 0.2 * rng.normal();
      });
      const { mean, ci95, ci95Classes } = summarizeValues(values, episodes);
      if (Math.abs(mean - 0.6) < ci95Classes!) covered++;
      if (Math.abs(mean - 0.6) < ci95) official++;
    }
    expect(covered / trials).toBeGreaterThan(0.91);
    expect(covered / trials).toBeLessThan(0.99);
    expect(official / trials).toBeLessThan(0.5);
  }, 20_000);

  test('with as many classes as ways nothing is said of others', () => {
    const episodes = drawEpisodes(classesOf(5, 4), shape);
    expect(summarizeEpisodes(new Uint16Array(50).fill(2), episodes)).toMatchObject({ ci95Classes: null, classes: 5 });
  });

  test('pairing takes out what two models share', () => {
    const episodes = drawEpisodes(classesOf(20, 4), { ...shape, episodes: 2000, queries: 3 });
    const rng = createRng(1);
    const shared = Array.from({ length: 2000 }, () => rng.int(14));
    const [a, b] = [shared.map((x) => x + rng.int(2)), shared];
    const difference = pairedEpisodes(a, b, episodes);
    expect(difference.mean).toBeCloseTo(summarizeEpisodes(a, episodes).mean - summarizeEpisodes(b, episodes).mean, 12);
    expect(difference.ci95).toBeLessThan(0.3 * summarizeEpisodes(a, episodes).ci95);
    expect(accuracies([15], { ...shape, queries: 3 })[0]).toBe(1);
  });

  test('Student’s t', () => {
    expect(studentQuantile(3)).toBeCloseTo(3.182, 1);
    expect(studentQuantile(10)).toBeCloseTo(2.228, 3);
    expect(studentQuantile(1e6)).toBeCloseTo(1.96, 3);
  });
});

test('cosine does not mind the length of a query or a class', () => {
  const data = goldenTensor('input:y', 5, [60, 8]).data;
  const scaled = data.map((x, i) => x * (1 + (Math.floor(i / 8) % 7)));
  const episodes = drawEpisodes(classesOf(10, 6), shape);
  const plain = createFewShotRunner(clipsOf(data, 8)).run(cosine, episodes).predictions;
  expect(createFewShotRunner(clipsOf(scaled, 8)).run(cosine, episodes).predictions).toEqual(plain);
});
