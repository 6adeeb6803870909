import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { goldens } from './goldens.ts';

beforeAll(() => testEngine());

test.each(Object.entries(goldens))('golden %s is met', { timeout: 600_000 }, async (name, target) => {
  const checks = await checkGolden(fixture(import.meta.url, name), target);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
