/** A small ground truth and detections for tests: vision.md §7.1. */
import { createDetections, createGroundTruth, type CocoDetections, type CocoGroundTruth } from './coco-data.ts';

export interface Problem {
  readonly truth: CocoGroundTruth;
  readonly detections: CocoDetections;
}

type Row = Readonly<Record<string, unknown>>;

export const exampleImages: readonly Row[] = [
  { id: 2, width: 120, height: 100 },
  { id: 1, width: 120, height: 100 },
];
export const exampleCategories: readonly Row[] = [
  { id: 1, name: 'one' },
  { id: 3, name: 'three' },
];

const annotation = (id: number, image: number, category: number, bbox: number[], iscrowd = 0): Row => ({
  id,
  image_id: image,
  category_id: category,
  bbox,
  area: bbox[2]! * bbox[3]!,
  iscrowd,
});

export const exampleAnnotations = (firstId: number): Row[] => [
  annotation(firstId, 1, 1, [10, 10, 30, 30]),
  annotation(firstId + 1, 1, 1, [50, 20, 40, 50]),
  annotation(firstId + 2, 1, 1, [0, 60, 120, 40], 1),
  annotation(firstId + 3, 2, 1, [20, 20, 50, 50]),
  annotation(firstId + 4, 2, 3, [5, 5, 20, 20]),
];

const result = (image: number, category: number, bbox: number[], score: number): Row => ({
  image_id: image,
  category_id: category,
  bbox,
  score,
});

export const exampleResults: readonly Row[] = [
  result(1, 1, [12, 11, 30, 30], 0.9),
  result(1, 1, [50, 22, 38, 50], 0.8),
  result(1, 1, [10, 70, 20, 20], 0.8),
  result(1, 1, [80, 5, 20, 15], 0.7),
  result(2, 1, [25, 25, 50, 50], 0.8),
  result(2, 1, [20, 20, 50, 50], 0.6),
  result(2, 3, [6, 6, 20, 20], 0.5),
  result(1, 3, [60, 60, 20, 20], 0.55),
];

export function problemOf(
  annotations: readonly unknown[],
  results: readonly unknown[],
  { withMasks = false, images = exampleImages, categories = exampleCategories } = {},
): Problem {
  const builder = createGroundTruth({ withMasks });
  annotations.forEach((one) => builder.addAnnotation(one));
  images.forEach((one) => builder.addImage(one));
  categories.forEach((one) => builder.addCategory(one));
  const truth = builder.finish();
  const detections = createDetections(truth, { withMasks });
  results.forEach((one) => detections.add(one));
  return { truth, detections: detections.finish() };
}
