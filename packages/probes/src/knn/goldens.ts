/** Golden target of the weighted nearest neighbours. */
import {
  DataError,
  type GoldenFile,
  type GoldenOutputs,
  type GoldenTarget,
  type NdArray,
  type TypedArray,
} from '@unlabel/core';
import { z } from 'zod';
import type { Embeddings } from '../embeddings.ts';
import { knnVotes, topAccuracy } from './knn.ts';

export interface KnnGoldenTarget extends GoldenTarget {
  expected(golden: GoldenFile): GoldenOutputs;
}

const schema = z.looseObject({
  config: z.looseObject({ num_classes: z.int() }),
  results: z.array(
    z.object({ k: z.int(), T: z.number(), official_top1: z.number(), official_top5: z.number() }).loose(),
  ),
});

function parsed(golden: GoldenFile): z.output<typeof schema> {
  const result = schema.safeParse(golden);
  if (!result.success) throw new DataError(`golden ${golden.name}: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** The five best classes of each row [m, 5]. */
function topFive(scores: Float64Array, classes: number): NdArray<Int32Array> {
  const m = scores.length / classes;
  const data = new Int32Array(5 * m);
  for (let i = 0; i < m; i++) {
    const row = scores.subarray(i * classes, (i + 1) * classes);
    const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
    data.set(order.slice(0, 5), 5 * i);
  }
  return { data, shape: [m, 5] };
}

const knnDino: KnnGoldenTarget = {
  run(golden, tools) {
    const { config, results } = parsed(golden);
    const classes = config.num_classes;
    const embeddingsOf = (name: string): Embeddings => {
      const tensor = tools.stored(name);
      if (!(tensor?.data instanceof Float32Array))
        throw new DataError(`golden ${golden.name}: expected float32 ${name}`);
      return { data: tensor.data, width: tensor.shape[1]! };
    };
    const labelsOf = (name: string): TypedArray => {
      const tensor = tools.stored(name);
      if (!tensor) throw new DataError(`golden ${golden.name}: expected ${name}`);
      return tensor.data;
    };
    const train = { embeddings: embeddingsOf('train'), labels: labelsOf('train_labels') };
    const [test, labels] = [embeddingsOf('test'), labelsOf('test_labels')];
    const outputs: Record<string, NdArray<TypedArray> | number> = {};
    for (const { k, T } of results) {
      const [votes] = knnVotes(train, test, { classes, ks: [k], temperature: T });
      const name = `k${k}_T${T}`;
      const rows = Array.from({ length: Math.ceil(labels.length / 7) }, (_, i) => 7 * i);
      const kept = rows.flatMap((i) => [...votes!.scores.subarray(i * classes, (i + 1) * classes)]);
      outputs[`${name}.top5`] = topFive(votes!.scores, classes);
      outputs[`${name}.scores`] = { data: Float64Array.from(kept), shape: [rows.length, classes] };
      // Counts of images, since shares in percent differ in their last bit between the golden's two ways of counting.
      for (const top of [1, 5])
        outputs[`${name}.top${top}.hits`] = Math.round(
          topAccuracy(votes!.scores, labels, classes, top) * labels.length,
        );
    }
    return outputs;
  },
  expected(golden) {
    const expected: Record<string, number> = {};
    const outputs = golden.outputs as Readonly<Record<string, { shape: readonly number[] } | undefined>>;
    const images = outputs['test_labels']?.shape[0] ?? 0;
    for (const { k, T, official_top1: top1, official_top5: top5 } of parsed(golden).results) {
      expected[`k${k}_T${T}.top1.hits`] = Math.round((top1 * images) / 100);
      expected[`k${k}_T${T}.top5.hits`] = Math.round((top5 * images) / 100);
    }
    return expected;
  },
};

export const knnGoldens: Readonly<Record<string, KnnGoldenTarget>> = { 'knn-dino': knnDino };
