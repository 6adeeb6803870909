import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createRng, type GoldenFile, type GoldenTools } from '@unlabel/core';
import { cocoStatNames, evaluateCoco } from './coco-eval.ts';
import { detectionGoldens } from './goldens.ts';
import { encodeRle } from './rle.ts';
import { rleFromBox } from './polygon.ts';
import { exampleAnnotations, exampleResults, problemOf } from './testing.ts';

const folder = fileURLToPath(new URL('../../../fixtures/detection', import.meta.url));
const tools = { dir: folder } as GoldenTools; // the targets read nothing else

const golden = async (name: string): Promise<GoldenFile> =>
  JSON.parse(await readFile(`${folder}/${name}.json`, 'utf8')) as GoldenFile;

/** pycocotools 2.0.11; the arrays beside the numbers are compared by `npm run goldens`. */
describe.each(['coco-small', 'coco-medium', 'coco-many-dets', 'coco-id-zero'])('%s', (name) => {
  test('has the official numbers to the last bit, by boxes and by masks', async () => {
    const file = await golden(name);
    const found = await detectionGoldens['coco-*']!.run(file, tools);
    const expected = detectionGoldens['coco-*']!.expected(file);
    expect(Object.keys(expected)).toHaveLength(8);
    for (const [key, value] of Object.entries(expected)) expect(found[key], key).toEqual(value);
  });
});

test('mask primitives are pycocotools’', async () => {
  const file = await golden('coco-mask-primitives');
  const target = detectionGoldens['coco-mask-primitives']!;
  expect(await target.run(file, tools)).toEqual(target.expected(file));
});

const official = [
  0.5264851485148515, 0.75, 0.6826732673267326, 0.525, 0.7676567656765676, -1, 0.5333333333333333, 0.7666666666666667,
  0.7666666666666667, 0.7, 0.9, -1,
];

describe('the worked example', () => {
  const stats = (firstId: number, options = {}): number[] => {
    const { truth, detections } = problemOf(exampleAnnotations(firstId), exampleResults);
    const evaluation = evaluateCoco(truth, detections, options);
    return cocoStatNames.map((name) => evaluation.stats[name]);
  };

  test('has the twelve numbers of the protocol sheet', () => {
    expect(stats(1)).toEqual(official);
  });

  test('loses the object with id 0 as COCOeval does, unless told otherwise', () => {
    expect(stats(0).slice(0, 2)).toEqual([0.32998349834983504, 0.4711221122112211]);
    expect(stats(0, { idZeroIsNoMatch: false })).toEqual(official);
    const { truth, detections } = problemOf(exampleAnnotations(0), exampleResults);
    expect(evaluateCoco(truth, detections).notes.join()).toContain('id 0');
  });

  test('pools categories when they are not used', () => {
    const { truth, detections } = problemOf(exampleAnnotations(1), exampleResults);
    const pooled = evaluateCoco(truth, detections, { useCategories: false });
    expect(pooled.perCategory).toHaveLength(1);
    expect(pooled.stats).toMatchObject({ AP: 0.6505610561056105, AP50: 0.9174917491749175 }); // pycocotools with useCats = 0
  });

  test('treats boxes and their masks alike where the boxes lie on pixels', () => {
    const mask = ({ bbox, ...rest }: Readonly<Record<string, unknown>>): object => ({
      ...rest,
      bbox,
      segmentation: { size: [100, 120], counts: encodeRle(rleFromBox(bbox as number[], 100, 120)) },
    });
    const annotations = exampleAnnotations(1).map(mask);
    const { truth, detections } = problemOf(annotations, exampleResults, { withMasks: true });
    const { stats: found } = evaluateCoco(truth, detections, { iou: 'segm' });
    expect(cocoStatNames.map((name) => found[name])).toEqual(official);
  });
});

test('perfect detections score 1, none scores 0, nothing to detect −1', () => {
  const annotations = exampleAnnotations(1).filter(({ iscrowd }) => iscrowd === 0);
  const perfect = annotations.map((one) => ({ ...one, score: 0.5 }));
  const { truth, detections } = problemOf(annotations, perfect);
  expect(evaluateCoco(truth, detections).stats.AP).toBeCloseTo(1, 12);
  const none = problemOf(annotations, []);
  expect(evaluateCoco(none.truth, none.detections).stats).toMatchObject({ AP: 0, AR100: 0, APlarge: -1 });
  const empty = problemOf([], perfect);
  expect(evaluateCoco(empty.truth, empty.detections).stats).toMatchObject({ AP: -1, AR100: -1 });
});

test('the order of detections in the file matters only to ties', () => {
  const rng = createRng(5);
  const scored = exampleResults.map((one, i) => ({ ...one, score: 0.9 - 0.01 * i }));
  const a = problemOf(exampleAnnotations(1), scored);
  const shuffled = scored.map((one) => ({ one, at: rng.range(0, 1) })).toSorted((p, q) => p.at - q.at);
  const b = problemOf(
    exampleAnnotations(1),
    shuffled.map(({ one }) => one),
  );
  expect(evaluateCoco(b.truth, b.detections).stats).toEqual(evaluateCoco(a.truth, a.detections).stats);
});

describe('input that would give wrong numbers in silence', () => {
  const [first, ...rest] = exampleAnnotations(1);

  test.each([
    ['a duplicate annotation id', [first, first], [], 'annotation id 1 is there more than once'],
    ['an annotation of no image', [{ ...first, image_id: 9 }], [], 'annotation 1: its image_id 9 is not listed'],
    ['an annotation of no category', [{ ...first, category_id: 2 }], [], 'its category_id 2 is not listed'],
    ['a box of three numbers', [{ ...first, bbox: [1, 2, 3] }], [], 'annotation 1: expected bbox'],
    ['a negative box', [{ ...first, bbox: [1, 2, -3, 4] }], [], 'negative width or height'],
    ['no area', [{ ...first, area: undefined }], [], 'annotation 1: expected a finite number as area'],
    ['a detection in no image', rest, [{ ...exampleResults[0], image_id: 9 }], 'results[0]: its image_id 9'],
    ['a score that is no number', rest, [{ ...exampleResults[0], score: null }], 'as score, found null'],
    ['a detection without a place', rest, [{ image_id: 1, category_id: 1, score: 1 }], 'neither bbox nor segmentation'],
  ])('%s is an error', (_, annotations, results, message) => {
    expect(() => problemOf(annotations, results)).toThrow(message);
  });

  test('detections of unknown categories are left out and counted', () => {
    const { truth, detections } = problemOf(exampleAnnotations(1), [
      ...exampleResults,
      { ...exampleResults[0], category_id: 7 },
    ]);
    const { stats, notes } = evaluateCoco(truth, detections);
    expect(stats.AP).toBe(official[0]);
    expect(notes).toEqual([expect.stringContaining('1 detections are of categories')]);
  });

  test('a box without area is missed and noted', () => {
    const flat = { ...first, id: 9, bbox: [60, 60, 0, 10], area: 30 };
    const { truth, detections } = problemOf([...exampleAnnotations(1), flat], exampleResults);
    const { stats, notes } = evaluateCoco(truth, detections);
    expect(stats.AP).toBeLessThan(official[0]!);
    expect(notes.join()).toContain('1 objects have a box without area');
  });

  test('a mask of another size than its image is an error', () => {
    const masked = exampleAnnotations(1).map((one) => ({ ...one, segmentation: [[10, 10, 40, 10, 40, 40]] }));
    const counts = encodeRle(rleFromBox([10, 10, 20, 20], 60, 60));
    const result = { image_id: 1, category_id: 1, score: 1, segmentation: { size: [60, 60], counts } };
    const { truth, detections } = problemOf(masked, [result], { withMasks: true });
    expect(() => evaluateCoco(truth, detections, { iou: 'segm' })).toThrow('60 × 60 pixels, its image 100 × 120');
  });

  test('thresholds must rise', () => {
    const { truth, detections } = problemOf(exampleAnnotations(1), exampleResults);
    expect(() => evaluateCoco(truth, detections, { iouThresholds: [0.5, 0.5] })).toThrow('iouThresholds');
  });
});
