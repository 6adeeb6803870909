import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { mtSlvrGoldens } from './goldens.ts';

beforeAll(() => testEngine());

test.each([
  ['none', 23],
  ['split', 20],
  ['bn', 25],
  ['series', 21],
] as const)(
  'golden mtslvr-resnet18-%s is met: outputs, losses, gradients, running statistics',
  async (adapter, count) => {
    const name = `mtslvr-resnet18-${adapter}`;
    const checks = await checkGolden(fixture(import.meta.url, name), mtSlvrGoldens['mtslvr-resnet18-*']!);
    expect(checks.length).toBe(count);
    expect(failuresOf(checks)).toEqual([]);
  },
  600_000,
);
