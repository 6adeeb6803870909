import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { mtSlvrGoldens } from './goldens.ts';

beforeAll(() => testEngine());

test('golden mtslvr-resnet18-bn is met: outputs, both losses, gradients, running statistics', async () => {
  const checks = await checkGolden(fixture(import.meta.url, 'mtslvr-resnet18-bn'), mtSlvrGoldens['mtslvr-resnet18-*']!);
  expect(checks.length).toBe(25);
  expect(failuresOf(checks)).toEqual([]);
}, 120_000);
