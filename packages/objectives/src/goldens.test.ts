import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { goldens } from './goldens.ts';
import { contrastiveGoldens } from './goldens-contrastive.ts';
import { quantizerGoldens } from './goldens-quantizer.ts';

beforeAll(() => testEngine());

const simclr = contrastiveGoldens['loss-simclr-ntxent-*']!;

test.each([
  ...Object.entries({ ...goldens, ...contrastiveGoldens, ...quantizerGoldens }).filter(([name]) => !name.endsWith('*')),
  ['loss-simclr-ntxent-0', simclr] as const,
  ['loss-simclr-ntxent-1', simclr] as const,
])('golden %s is met', async (name, target) => {
  const checks = await checkGolden(fixture(import.meta.url, name), target);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
