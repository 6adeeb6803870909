/** Golden targets of detection: `coco-*` (annotations and results beside the golden) and mask primitives. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  DataError,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { z } from 'zod';
import { createDetections, createGroundTruth } from './coco-data.ts';
import { cocoStatNames, evaluateCoco, type CocoEvaluation } from './coco-eval.ts';
import { boxIou, maskIous } from './iou.ts';
import { rleFromBox, rleFromPolygon } from './polygon.ts';
import { encodeRle, maskFromRle, rleArea, rleBox, rleUnion } from './rle.ts';

/** A target whose golden keeps its expectations in its json: the runner compares `run` with `expected`. */
export interface DetectionGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): GoldenOutputs;
}

const vector = (values: readonly number[]): NdArray<Float64Array> => ({
  data: Float64Array.from(values),
  shape: [values.length],
});

const cocoExpectationSchema = z.partialRecord(
  z.enum(['bbox', 'segm']),
  z.looseObject({
    stats: z.array(z.number()).length(12),
    per_category: z.array(z.object({ category_id: z.number(), ap: z.number(), ap50: z.number(), ar100: z.number() })),
  }),
);

function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (!result.success) throw new DataError(`${what}: ${z.prettifyError(result.error)}`);
  return result.data;
}

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8')) as unknown;
const listSchema = z.array(z.unknown());
const instancesSchema = z.looseObject({ images: listSchema, annotations: listSchema, categories: listSchema });

/** Overlaps that a golden has numbers for. */
const kindsOf = (golden: GoldenFile): ('bbox' | 'segm')[] => {
  const expected = parsed(cocoExpectationSchema, golden['expected'], `golden ${golden.name}: expected`);
  return (['bbox', 'segm'] as const).filter((iou) => expected[iou] !== undefined);
};

async function evaluateFiles(dir: string, iou: 'bbox' | 'segm'): Promise<CocoEvaluation> {
  const file = parsed(instancesSchema, await readJson(join(dir, 'gt.json')), `${dir}/gt.json`);
  const builder = createGroundTruth({ withMasks: iou === 'segm' });
  file.images.forEach((image) => builder.addImage(image));
  file.annotations.forEach((annotation) => builder.addAnnotation(annotation));
  file.categories.forEach((category) => builder.addCategory(category));
  const truth = builder.finish();
  const detections = createDetections(truth, { withMasks: iou === 'segm' });
  const results = parsed(listSchema, await readJson(join(dir, `results_${iou}.json`)), `${dir}/results_${iou}.json`);
  results.forEach((result) => detections.add(result));
  return evaluateCoco(truth, detections.finish(), { iou });
}

/** Every 5th recall and the last number of detections, as the goldens store it: precision [T, R/5, K, A], scores [T, R/5, K]. */
function storedParts({
  precision,
  scores,
  recall,
  shape: { T, R, K, A, M },
}: CocoEvaluation): Record<string, NdArray<TypedArray>> {
  const parts = { precision: [] as number[], scores: [] as number[] };
  for (let t = 0; t < T; t++) {
    for (let r = 0; r < R; r += 5) {
      for (let k = 0; k < K; k++) {
        const at = ((t * R + r) * K + k) * A * M + M - 1;
        for (let a = 0; a < A; a++) parts.precision.push(precision[at + a * M]!);
        parts.scores.push(scores[at]!);
      }
    }
  }
  const rows = Math.ceil(R / 5);
  return {
    precision: { data: Float64Array.from(parts.precision), shape: [T, rows, K, A] },
    scores: { data: Float64Array.from(parts.scores), shape: [T, rows, K] },
    recall: { data: recall, shape: [T, K, A, M] },
  };
}

const coco: DetectionGoldenTarget = {
  async run(golden, tools) {
    const outputs: Record<string, NdArray<TypedArray>> = {};
    for (const iou of kindsOf(golden)) {
      const evaluation = await evaluateFiles(join(tools.dir, golden.name), iou);
      const { stats, perCategory } = evaluation;
      for (const [name, part] of Object.entries(storedParts(evaluation))) outputs[`${iou}.${name}`] = part;
      outputs[`${iou}.stats`] = vector(cocoStatNames.map((name) => stats[name]));
      outputs[`${iou}.ap`] = vector(perCategory.map(({ AP }) => AP));
      outputs[`${iou}.ap50`] = vector(perCategory.map(({ AP50 }) => AP50));
      outputs[`${iou}.ar100`] = vector(perCategory.map(({ AR }) => AR));
    }
    return outputs;
  },
  expected(golden) {
    const expectation = parsed(cocoExpectationSchema, golden['expected'], `golden ${golden.name}: expected`);
    const expected: Record<string, NdArray<TypedArray>> = {};
    for (const [iou, { stats, per_category: categories }] of Object.entries(expectation)) {
      expected[`${iou}.stats`] = vector(stats);
      for (const key of ['ap', 'ap50', 'ar100'] as const)
        expected[`${iou}.${key}`] = vector(categories.map((category) => category[key]));
    }
    return expected;
  },
};

const numbers = z.array(z.number());
const primitivesSchema = z.array(
  z.object({
    h: z.number(),
    w: z.number(),
    polygons: z.array(numbers),
    part_counts: z.array(z.string()),
    counts: z.string(),
    area: z.number(),
    bbox: numbers,
    mask_sum_rows: numbers,
    mask_sum_cols: numbers,
    box: numbers,
    box_counts: z.string(),
    iou_crowd0: z.array(numbers),
    iou_crowd1: z.array(numbers),
    bbox_iou: z.array(numbers),
  }),
);

/** A text as the numbers of its characters. */
const codes = (text: string): NdArray<TypedArray> => vector(Array.from(text, (character) => character.charCodeAt(0)));

const maskPrimitives: DetectionGoldenTarget = {
  run(golden) {
    const outputs: Record<string, NdArray<TypedArray> | number> = {};
    parsed(primitivesSchema, golden.cases, `golden ${golden.name}: cases`).forEach(({ h, w, polygons, box }, i) => {
      const parts = polygons.map((polygon) => rleFromPolygon(polygon, h, w));
      const union = rleUnion(parts);
      const mask = maskFromRle(union);
      const rows = new Float64Array(h);
      const columns = new Float64Array(w);
      mask.forEach((pixel, at) => {
        rows[Math.floor(at / w)]! += pixel;
        columns[at % w]! += pixel;
      });
      const boxMask = rleFromBox(box, h, w);
      const tight = Float64Array.from(rleBox(union));
      Object.assign(outputs, {
        [`${i}.area`]: rleArea(union),
        [`${i}.bbox`]: vector([...tight]),
        [`${i}.counts`]: codes(encodeRle(union)),
        [`${i}.part_counts`]: codes(parts.map(encodeRle).join(' ')),
        [`${i}.box_counts`]: codes(encodeRle(boxMask)),
        [`${i}.mask_sum_rows`]: vector([...rows]),
        [`${i}.mask_sum_cols`]: vector([...columns]),
        [`${i}.iou_crowd0`]: vector([...maskIous([union], [boxMask], [false])]),
        [`${i}.iou_crowd1`]: vector([...maskIous([union], [boxMask], [true])]),
        [`${i}.bbox_iou`]: vector([boxIou(Float64Array.from(box), 0, tight, 0, false)]),
      });
    });
    return outputs;
  },
  expected(golden) {
    const outputs: Record<string, NdArray<TypedArray> | number> = {};
    parsed(primitivesSchema, golden.cases, `golden ${golden.name}: cases`).forEach((one, i) => {
      Object.assign(outputs, {
        [`${i}.area`]: one.area,
        [`${i}.bbox`]: vector(one.bbox),
        [`${i}.counts`]: codes(one.counts),
        [`${i}.part_counts`]: codes(one.part_counts.join(' ')),
        [`${i}.box_counts`]: codes(one.box_counts),
        [`${i}.mask_sum_rows`]: vector(one.mask_sum_rows),
        [`${i}.mask_sum_cols`]: vector(one.mask_sum_cols),
        [`${i}.iou_crowd0`]: vector(one.iou_crowd0.flat()),
        [`${i}.iou_crowd1`]: vector(one.iou_crowd1.flat()),
        [`${i}.bbox_iou`]: vector(one.bbox_iou.flat()),
      });
    });
    return outputs;
  },
};

export const detectionGoldens: Readonly<Record<string, DetectionGoldenTarget>> = {
  'coco-*': coco,
  'coco-mask-primitives': maskPrimitives,
};
