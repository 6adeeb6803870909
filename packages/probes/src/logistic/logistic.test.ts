import { readFileSync } from 'node:fs';
import { createRng } from '@unlabel/core';
import { expect, test } from 'vitest';
import type { FitInput, ProbeSplit } from '../protocol-types.ts';
import { logistic } from './protocol.ts';

interface Case {
  readonly name: string;
  readonly predictionType: FitInput['predictionType'];
  readonly width: number;
  readonly classes: number;
  readonly train: readonly number[];
  readonly labels: readonly (readonly number[])[];
  readonly test: readonly number[];
  readonly fits: readonly { C: number; scores: number[] }[];
}
const { cases } = JSON.parse(readFileSync(new URL('../../fixtures/linear-probe.json', import.meta.url), 'utf8')) as {
  cases: readonly Case[];
};

const splitOf = (values: readonly number[], width: number, labels: readonly (readonly number[])[]): ProbeSplit => ({
  files: labels.map((_, i) => `${i}.wav`),
  labels,
  embeddings: { data: Float64Array.from(values), width },
});

test.each(cases)('$name: scikit-learn’s probabilities at the same C to 1e-6', (one) => {
  const { predictionType, width, classes, labels } = one;
  const train = splitOf(one.train, width, labels);
  const other = splitOf(
    one.test,
    width,
    Array.from({ length: one.test.length / width }, () => [0]),
  );
  const input: FitInput = {
    train,
    valid: other,
    classes,
    predictionType,
    primary: 'top1_acc',
    fold: 0,
    vocabulary: Array.from({ length: classes }, (_, c) => String(c)),
    select: () => 0,
    rng: createRng(0),
  };
  expect(one.fits.length).toBeGreaterThan(0);
  for (const { C, scores } of one.fits) {
    const found = logistic.fit(input, { C }).scores(other);
    scores.forEach((value, i) => expect(Math.abs(found[i]! - value), `C ${C}, ${i}`).toBeLessThan(1e-6));
  }
});
