import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { beatsGoldens } from './goldens-beats.ts';

beforeAll(() => testEngine());

test.each(['beats-base', 'beats-tokenizer-base'])('golden %s is met', { timeout: 600_000 }, async (name) => {
  const checks = await checkGolden(fixture(import.meta.url, `../fixtures-slow/${name}`), beatsGoldens[name]!);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
