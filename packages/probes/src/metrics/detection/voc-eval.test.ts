import { describe, expect, test } from 'vitest';
import { createRng } from '@unlabel/core';
import { areaAp, elevenPointAp, precisionRecall, vocClassificationAp } from './voc-ap.ts';
import { evaluateVoc, roundDecimal, vocOverlap, type VocBox, type VocDetection, type VocObject } from './voc-eval.ts';

const hits = [1, 0, 1, 1, 0, 0, 1, 0, 1, 0];

describe('average precision', () => {
  test('has the golden values of the protocol sheet', () => {
    expect(elevenPointAp(precisionRecall(hits, 6))).toBe(0.6075036075036074);
    expect(areaAp(precisionRecall(hits, 6))).toBe(0.6044973544973545);
    expect(elevenPointAp(precisionRecall(hits, 5))).toBe(0.7341269841269841);
    expect(areaAp(precisionRecall(hits, 5))).toBe(0.7253968253968254);
  });

  test('a recall of exactly 0.3 fails the third threshold', () => {
    const curve = precisionRecall([1, 1, 1], 10);
    expect(elevenPointAp(curve)).toBeCloseTo(3 / 11, 12);
  });

  test('of a classification takes equal scores in reverse order', () => {
    expect(vocClassificationAp([0.5, 0.5], [0, 1])).toBe(1);
    expect(vocClassificationAp([0.5, 0.5], [1, 0])).toBe(0.5);
    expect(vocClassificationAp([1, 2], [0, 0])).toBeNaN();
  });
});

const object = (box: VocBox, isDifficult = false, name = 'dog'): VocObject => ({ name, box, isDifficult });
const detection = (box: VocBox, score: number, image = 'a', name = 'dog'): VocDetection => ({
  image,
  name,
  score,
  box,
});

describe('matching', () => {
  const truth = new Map([
    ['a', [object([1, 1, 10, 10]), object([21, 21, 30, 30], true)]],
    ['b', [] as VocObject[]],
  ]);
  const apOf = (detections: VocDetection[], rules: 'devkit' | 'detectron2' = 'devkit', threshold = 0.5): number =>
    evaluateVoc(truth, ['dog'], detections, { rules, iouThresholds: [threshold] }).perClass[0]!.apArea[0]!;

  test('counts the last pixel of a box', () => {
    expect(vocOverlap([1, 1, 10, 10], [1, 1, 10, 5])).toBe(0.5);
    expect(vocOverlap([1, 1, 10, 10], [11, 1, 20, 10])).toBe(0);
  });

  test('an overlap of exactly the threshold counts in the devkit, not in detectron2', () => {
    expect(apOf([detection([1, 1, 10, 5], 1)])).toBe(1);
    expect(apOf([detection([1, 1, 10, 5], 1)], 'detectron2')).toBe(0);
  });

  test('a difficult object is neither found nor missed', () => {
    expect(apOf([detection([21, 21, 30, 30], 0.9), detection([1, 1, 10, 10], 0.8)])).toBe(1);
  });

  test('a second detection of an object is a false positive, and so is one in an empty image', () => {
    expect(apOf([detection([1, 1, 10, 10], 0.9), detection([1, 1, 10, 10], 0.8)])).toBe(1);
    expect(apOf([detection([1, 1, 10, 10], 0.9, 'b'), detection([1, 1, 10, 10], 0.8)])).toBe(0.5);
  });

  test('detectron2 rounds scores to 3 decimals, which makes ties that keep the order of the file', () => {
    const far = detection([50, 50, 60, 60], 0.8001);
    const near = detection([1, 1, 10, 10], 0.8004);
    expect(apOf([far, near])).toBe(1);
    expect(apOf([far, near], 'detectron2')).toBe(0.5);
  });

  test('unknown images and broken numbers are errors, unknown classes are noted', () => {
    const boxes: VocBox = [1, 1, 2, 2];
    expect(() => apOf([detection(boxes, 1, 'c')])).toThrow('detection 0: its image "c"');
    expect(() => apOf([detection(boxes, NaN)])).toThrow('its score is NaN');
    expect(() => apOf([detection([1, 2, NaN, 3], 1)])).toThrow('four finite numbers');
    expect(evaluateVoc(truth, ['dog', 'cat'], [detection(boxes, 1, 'a', 'cow')]).notes.join()).toContain(
      '1 detections',
    );
    expect(evaluateVoc(truth, ['dog', 'cat'], []).perClass[1]!.ap11[0]).toBeNaN();
  });
});

test('decimals are rounded as Python does', () => {
  const cases = [0.0625, 0.1875, 0.25, 0.75, 2.675, -0.25, 0.35, 0.45, 12.05, 1e-9, 0.9996, 126.25, 0.15, 0.5005];
  // f"{x:.1f}" and f"{x:.3f}"
  const one = [0.1, 0.2, 0.2, 0.8, 2.7, -0.2, 0.3, 0.5, 12.1, 0, 1, 126.2, 0.1, 0.5];
  const three = [0.062, 0.188, 0.25, 0.75, 2.675, -0.25, 0.35, 0.45, 12.05, 0, 1, 126.25, 0.15, 0.5];
  expect(cases.map((x) => roundDecimal(x, 1))).toEqual(one);
  expect(cases.map((x) => roundDecimal(x, 3))).toEqual(three);
});

test('agrees with a literal reading of the rules on random boxes', () => {
  const rng = createRng(11);
  const box = (): VocBox => {
    const [x, y] = [rng.range(1, 60), rng.range(1, 60)];
    return [x, y, x + rng.range(5, 30), y + rng.range(5, 30)];
  };
  const truth = new Map(
    Array.from({ length: 12 }, (_, i) => [
      `${i}`,
      Array.from({ length: i % 4 }, () => object(box(), rng.range(0, 1) < 0.2)),
    ]),
  );
  const detections = Array.from({ length: 150 }, (_, i) =>
    detection(box(), Math.round(rng.range(0, 40)) / 40, `${i % 12}`),
  );
  const { perClass } = evaluateVoc(truth, ['dog'], detections, { iouThresholds: [0.3] });
  const used = new Set<VocObject>();
  const literal = detections
    .map((one, i) => ({ one, i }))
    .sort((a, b) => b.one.score - a.one.score || a.i - b.i)
    .map(({ one }) => {
      const overlaps = truth.get(one.image)!.map((other) => vocOverlap(one.box, other.box));
      const most = Math.max(...overlaps);
      const match = truth.get(one.image)![overlaps.indexOf(most)];
      if (!(most >= 0.3)) return 0;
      if (match!.isDifficult) return -1;
      if (used.has(match!)) return 0;
      used.add(match!);
      return 1;
    });
  const positives = [...truth.values()].flat().filter(({ isDifficult }) => !isDifficult).length;
  expect(perClass[0]!.positives).toBe(positives);
  expect(perClass[0]!.apArea[0]).toBe(areaAp(precisionRecall(literal, positives)));
  expect(perClass[0]!.apArea[0]).toBeGreaterThan(0.01);
});
