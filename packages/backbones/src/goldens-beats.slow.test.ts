import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { beatsGoldens } from './goldens-beats.ts';

beforeAll(() => testEngine());

test('golden beats-base is met', { timeout: 600_000 }, async () => {
  const checks = await checkGolden(fixture(import.meta.url, 'beats-base'), beatsGoldens['beats-base']!);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
