import { beforeAll, expect, test } from 'vitest';
import { checkGolden, failuresOf, fixture, testEngine } from '@unlabel/engine';
import { imageGoldens } from './goldens-image.ts';

beforeAll(() => testEngine());

test.each([
  ['resnet-tiny-moco', 'resnet*'],
  ['resnet18', 'resnet*'],
  ['resnet50-moco-v2', 'resnet*'],
  ['ckpt-moco-tiny', 'ckpt-moco-tiny'],
  ['dino-vit-tiny', 'dino-vit*'],
  ['ckpt-dino-tiny', 'ckpt-dino-tiny'],
])('golden %s is met', { timeout: 600_000 }, async (name, target) => {
  const checks = await checkGolden(fixture(import.meta.url, name), imageGoldens[target]!);
  expect(checks.length).toBeGreaterThan(0);
  expect(failuresOf(checks)).toEqual([]);
});
