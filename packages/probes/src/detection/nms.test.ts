import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { nms, type ScoredBoxes } from './nms.ts';

const path = fileURLToPath(new URL('../../fixtures/nms.json', import.meta.url));
const { kept, ...scored } = JSON.parse(readFileSync(path, 'utf8')) as ScoredBoxes & { kept: Record<string, number[]> };

test.each(Object.keys(kept))('keeps what torchvision keeps at an IoU of %s', (threshold) => {
  expect(nms(scored, { iouThreshold: Number(threshold) })).toEqual(kept[threshold]);
  expect(nms(scored, { iouThreshold: Number(threshold), limit: 5 })).toEqual(kept[threshold]!.slice(0, 5));
});

test('of equal boxes with equal scores the first stays; boxes without area touch nothing', () => {
  const equal = { boxes: [0, 0, 4, 4, 0, 0, 4, 4, 2, 2, 2, 2], scores: [0.5, 0.5, 0.1], classes: [0, 0, 0] };
  expect(nms(equal, { iouThreshold: 0.5 })).toEqual([0, 2]);
  expect(nms({ boxes: [], scores: [], classes: [] }, { iouThreshold: 0.5 })).toEqual([]);
  expect(() => nms({ ...equal, scores: [1] }, { iouThreshold: 0.5 })).toThrow('1 scores for 3 boxes');
});
