import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { atstGoldens } from './goldens-atst.ts';

beforeAll(() => testEngine());

test.each([
  ['atst-clip-small', 'atst-clip-*'],
  ['atst-clip-base', 'atst-clip-*'],
  ['atst-frame-small', 'atst-frame-*'],
  ['atst-frame-base', 'atst-frame-*'],
])('golden %s is met', { timeout: 600_000 }, async (name, target) => {
  const checks = await checkGolden(fixture(import.meta.url, `../fixtures-slow/${name}`), atstGoldens[target]!);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
