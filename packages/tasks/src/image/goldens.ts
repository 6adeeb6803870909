/** Golden targets of image tasks: `voc-ap-<year>`, a VOC tree without images and a file of detections beside the golden. */
import { join } from 'node:path';
import {
  DataError,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { evaluateVoc, type VocEvaluation } from '@unlabel/probes';
import { readVocDetections, vocTruthOf } from './voc-detections.ts';
import { readVocTask } from './voc.ts';

export interface ImageGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): GoldenOutputs;
}

type Outputs = Record<string, NdArray<TypedArray> | number>;
type ExpectedClass = Readonly<Record<'ap11' | 'ap_area', readonly (number | string)[]>> & {
  npos?: number;
  n_det?: number;
};

const modes = ['devkit', 'detectron2'] as const;
const vector = (values: readonly (number | string)[]): NdArray<TypedArray> => ({
  data: Float64Array.from(values, Number),
  shape: [values.length],
});

const vocAp: ImageGoldenTarget = {
  async run(golden, { dir }) {
    const year = /\d{4}/.exec(golden.name)?.[0];
    const { task, faults } = await readVocTask(join(dir, 'VOCdevkit', `VOC${year}`), { needsImages: false });
    if (!task) throw new DataError(faults.join('; '));
    const classes = golden['classes'] as readonly string[];
    const iouThresholds = golden['iou_thresholds'] as readonly number[];
    const detections = await readVocDetections(join(dir, `${golden.name}-detections.json`), classes);
    const outputs: Outputs = {};
    for (const rules of modes) {
      const split = task.splits.has('test') ? 'test' : [...task.splits.keys()].at(-1)!;
      const { perClass, mean }: VocEvaluation = evaluateVoc(vocTruthOf(task, split), classes, detections, {
        rules,
        iouThresholds,
      });
      for (const one of perClass) {
        outputs[`${rules}.${one.name}.ap11`] = vector(one.ap11);
        outputs[`${rules}.${one.name}.ap_area`] = vector(one.apArea);
        outputs[`${rules}.${one.name}.npos`] = one.positives;
        outputs[`${rules}.${one.name}.n_det`] = one.detections;
      }
      outputs[`${rules}.mean.ap11`] = vector(mean.ap11);
      outputs[`${rules}.mean.ap_area`] = vector(mean.apArea);
    }
    return outputs;
  },
  expected(golden) {
    const expected: Outputs = {};
    for (const [rules, classes] of Object.entries(
      golden['expected'] as Record<string, Record<string, ExpectedClass>>,
    )) {
      for (const [name, { ap11, ap_area: area, npos, n_det: count }] of Object.entries(classes)) {
        expected[`${rules}.${name}.ap11`] = vector(ap11);
        expected[`${rules}.${name}.ap_area`] = vector(area);
        if (npos !== undefined) expected[`${rules}.${name}.npos`] = npos;
        if (count !== undefined) expected[`${rules}.${name}.n_det`] = count;
      }
    }
    return expected;
  },
};

export const imageGoldens: Readonly<Record<string, ImageGoldenTarget>> = { 'voc-ap-*': vocAp };
