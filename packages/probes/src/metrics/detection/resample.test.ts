import { createRng } from '@unlabel/core';
import { describe, expect, test } from 'vitest';
import { evaluateCoco } from './coco-eval.ts';
import { cocoHits, resampledAp } from './resample.ts';
import { exampleAnnotations, exampleResults, problemOf } from './testing.ts';
import { evaluateVoc, vocHits, type VocDetection, type VocObject } from './voc-eval.ts';

const rng = createRng(5);
const images = Array.from({ length: 6 }, (_, i) => i);
const box = (): [number, number, number, number] => [rng.int(60), rng.int(50), 10 + rng.int(40), 10 + rng.int(40)];
const near = ([x, y, w, h]: readonly number[]): [number, number, number, number] => [
  x! + rng.int(9) - 4,
  y! + rng.int(9) - 4,
  w! + rng.int(5),
  h! + rng.int(5),
];
const objects = images.flatMap((image) =>
  Array.from({ length: image % 3 }, () => ({ image, category: 1 + rng.int(2), box: box(), isCrowd: rng.chance(0.2) })),
);
/** Found or not, and some that are nowhere; no two scores are equal. */
const detections = [
  ...objects.filter(() => rng.chance(0.8)).map(({ box: of, ...rest }) => ({ ...rest, box: near(of) })),
  ...images.map((image) => ({ image, category: 1 + rng.int(2), box: box() })),
].map((one, i) => ({ ...one, score: ((i * 7) % 23) / 23 }));

/** Every image as often as it is drawn, under numbers of its own. */
const copies = (counts: readonly number[]): { image: number; copy: number }[] =>
  images.flatMap((image) => Array.from({ length: counts[image]! }, (_, copy) => ({ image, copy: 10 * image + copy })));
const draws = [[1, 1, 1, 1, 1, 1], [0, 2, 1, 0, 3, 1], [2, 0, 2, 2, 0, 5]]; // prettier-ignore

describe('average precision of resampled images', () => {
  const cocoProblem = (counts: readonly number[]) => {
    const all = copies(counts);
    const own = <T extends { image: number }>(rows: readonly T[]) =>
      all.flatMap(({ image, copy }) => rows.filter((row) => row.image === image).map((row) => ({ ...row, copy })));
    return problemOf(
      own(objects).map(({ copy, category, box: bbox, isCrowd }, i) => ({
        id: i + 1, image_id: copy, category_id: category, bbox, area: bbox[2] * bbox[3], iscrowd: isCrowd ? 1 : 0,
      })), // prettier-ignore
      own(detections).map(({ copy, category, box: bbox, score }) => ({
        image_id: copy, category_id: category, bbox, score,
      })), // prettier-ignore
      {
        images: all.map(({ copy }) => ({ id: copy, width: 120, height: 100 })),
        categories: [1, 2].map((id) => ({ id, name: `c${id}` })),
      },
    );
  };
  const whole = cocoProblem(draws[0]!);
  const hits = cocoHits(whole.truth, whole.detections);

  test.each(draws)('is COCOeval’s of the images repeated: %i %i %i %i %i %i', (...counts) => {
    const { truth, detections: found } = cocoProblem(counts);
    const { stats } = evaluateCoco(truth, found);
    const drawn = Int32Array.from(counts);
    expect(resampledAp(hits, 'coco')(drawn)).toBeCloseTo(stats.AP, 12);
    expect(resampledAp(hits, 'coco', [0])(drawn)).toBeCloseTo(stats.AP50, 12);
    expect(resampledAp(hits, 'coco', [5])(drawn)).toBeCloseTo(stats.AP75, 12);
    expect(stats.AP50).toBeGreaterThan(0.1);
  });

  test.each(draws)('is the devkit’s of the images repeated: %i %i %i %i %i %i', (...counts) => {
    const problem = (of: readonly number[]) => {
      const all = copies(of);
      const corners = ([x, y, w, h]: readonly number[]) => [x!, y!, x! + w!, y! + h!] as const;
      const truth = new Map<string, readonly VocObject[]>(
        all.map(({ image, copy }) => {
          const own = objects.filter((object) => object.image === image);
          return [
            `${copy}`,
            own.map(({ category, box: b, isCrowd }) => ({
              name: `c${category}`,
              box: corners(b),
              isDifficult: isCrowd,
            })),
          ];
        }),
      );
      const found = all.flatMap(({ image, copy }): VocDetection[] =>
        detections
          .filter((one) => one.image === image)
          .map(({ category, score, box: b }) => ({ image: `${copy}`, name: `c${category}`, score, box: corners(b) })),
      );
      return [truth, ['c1', 'c2'], found] as const;
    };
    const { mean } = evaluateVoc(...problem(counts));
    const ranked = vocHits(...problem(draws[0]!));
    const drawn = Int32Array.from(counts);
    expect(resampledAp(ranked, 'area', [0])(drawn)).toBeCloseTo(mean.apArea[0]!, 12);
    expect(resampledAp(ranked, 'area', [5])(drawn)).toBeCloseTo(mean.apArea[5]!, 12);
    expect(resampledAp(ranked, 'eleven-point', [0])(drawn)).toBeCloseTo(mean.ap11[0]!, 12);
  });

  test('of the published example is its AP; of nothing it is not a number', () => {
    const { truth, detections: found } = problemOf(exampleAnnotations(1), exampleResults);
    expect(resampledAp(cocoHits(truth, found), 'coco')()).toBeCloseTo(0.5264851485148515, 12);
    expect(resampledAp(cocoHits(truth, found), 'coco')(Int32Array.of(0, 0))).toBeNaN();
  });
});
