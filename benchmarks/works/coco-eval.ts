/** Our side of `coco-eval`: scores boxes held in memory, and from the two files. */
import { join } from 'node:path';
import { readJsonRecords } from '@unlabel/formats';
import {
  createDetections,
  createGroundTruth,
  evaluateCoco,
  type CocoDetections,
  type CocoEvaluation,
  type CocoGroundTruth,
} from '@unlabel/probes';
import { serve, timed } from '../lib/serve.ts';

const folder = process.argv[2]!;

async function load(): Promise<[CocoGroundTruth, CocoDetections]> {
  const builder = createGroundTruth({ withMasks: false });
  await readJsonRecords(join(folder, 'gt.json'), {
    images: (image) => builder.addImage(image),
    annotations: (annotation) => builder.addAnnotation(annotation),
    categories: (category) => builder.addCategory(category),
  });
  const truth = builder.finish();
  const detections = createDetections(truth, { withMasks: false });
  await readJsonRecords(join(folder, 'results.json'), { '': (result) => detections.add(result) });
  return [truth, detections.finish()];
}

const loaded = await load();
let score: CocoEvaluation = evaluateCoco(...loaded);
await serve(
  { node: process.version, AP: score.stats.AP },
  {
    evaluate: () => timed(() => (score = evaluateCoco(...loaded))),
    files: () => timed(async () => (score = evaluateCoco(...(await load())))),
  },
);
