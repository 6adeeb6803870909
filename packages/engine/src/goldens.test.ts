import { expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture } from './golden-check.ts';
import { goldens } from './goldens.ts';

test.each(Object.entries(goldens))('golden %s is met', async (name, target) => {
  const checks = await checkGolden(fixture(import.meta.url, name), target);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
