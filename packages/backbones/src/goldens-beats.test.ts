import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { beatsGoldens } from './goldens-beats.ts';

beforeAll(() => testEngine());

test.each(['beats-small', 'beats-tokenizer-small'])('golden %s is met', { timeout: 120_000 }, async (name) => {
  const checks = await checkGolden(fixture(import.meta.url, name), beatsGoldens[name]!);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
