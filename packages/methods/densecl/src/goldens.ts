/** Target of two steps of WXinlong/DenseCL and its embeddings in evaluation mode. */
import { goldenImage, readImage } from '@unlabel/backbones';
import {
  createRng,
  parseConfig,
  type Batch,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
  type TypedArray,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, mergeParams, tf, valueAndGrads } from '@unlabel/engine';
import { unitColumns } from '@unlabel/objectives';
import { correspondence, densecl, denseclConfig, denseclEmbed, denseclTerms, fromDensecl, type Densecl } from './densecl.ts'; // prettier-ignore

interface StepConfig {
  readonly batch: number;
  readonly dim: number;
  readonly hid: number;
  readonly queue_len: number;
  readonly momentum: number;
  readonly T: number;
  readonly loss_lambda: number;
  readonly image: readonly number[];
}
type Outputs = Record<string, NdArray<TypedArray> | number>;

function build(golden: GoldenFile, tools: GoldenTools): Densecl {
  const { dim, hid, queue_len, momentum, T, loss_lambda } = golden.config as StepConfig;
  const fields = {
    backbone: { depth: 18, blocks: [1, 1, 1, 1], widths: [6, 12, 24, 48] },
    headWidth: hid,
    contrastWidth: dim,
    queueSize: queue_len,
    keyMomentum: momentum,
    temperature: T,
    lambda: loss_lambda,
    statisticsGroups: 1,
  };
  const model = densecl.build(parseConfig(denseclConfig, fields, golden.name), { rng: createRng(0) });
  const arrays: Record<string, NdArray> = {};
  for (const name of ['queue', 'queue2']) {
    arrays[name] = unitColumns(tools.tensor(`input:densecl-step.${name}`, [dim, queue_len], 1));
  }
  for (const [key, shape] of golden.params as readonly [string, number[]][]) {
    const array = tools.parameter(key, shape);
    arrays[key] = key.includes('.mlp2.') ? { ...array, shape: shape.slice(0, 2) } : array;
  }
  assignArrays(mergeParams(model.trainable, model.state), arrays, { rename: fromDensecl });
  return model;
}

async function evaluate({ query, key }: Densecl, batch: Batch): Promise<Outputs> {
  const held: Record<string, Tensor> = tf.tidy(() => {
    const { maps } = query.backbone.forward(batch['view1']!, { training: false, maps: ['layer4'] });
    const q = denseclEmbed(query, batch['view1']!, false);
    const k = denseclEmbed(key, batch['view2']!, false);
    const [rows, cells] = q.cells.shape as [number, number];
    const index = tf.reshape(correspondence(q.features, k.features), [rows, cells]);
    const first = tf.tensor2d(Int32Array.from({ length: rows }, (_, b) => b * cells), [rows, 1], 'int32'); // prettier-ignore
    return {
      feature_q: maps!['layer4']!,
      q: q.image,
      q_grid: tf.transpose(q.cells, [0, 2, 1]),
      q2: q.pooled,
      correspondence_index: tf.sub(index, first),
      correspondence_margin_min: marginOf(q.features, k.features),
    };
  });
  const outputs: Outputs = {};
  for (const [name, tensor] of Object.entries(held)) outputs[`evalmode.${name}`] = await readImage(tensor);
  tf.dispose(held);
  return outputs;
}

/** How far the nearest key cell is ahead of the next, at least. */
function marginOf(query: Tensor, key: Tensor): Tensor {
  const { values } = tf.topk(tf.matMul(query, key, false, true), 2);
  const [first, second] = tf.unstack(values, 2) as [Tensor, Tensor];
  return tf.min(tf.sub(first, second));
}

const denseclStep: GoldenTarget = {
  async run(golden, tools) {
    const { image, loss_lambda: lambda } = golden.config as StepConfig;
    const model = build(golden, tools);
    const outputs: Outputs = {};
    for (const index of [0, 1]) {
      const at = `step${index}.`;
      const step = { index, total: 2, epoch: 0, rng: createRng(index) };
      const batch: Batch = {
        view1: goldenImage(`densecl-step.q${index}`, image, tools),
        view2: goldenImage(`densecl-step.k${index}`, image, tools),
      };
      densecl.beforeStep!(model, step);
      const { logs, grads, dispose } = valueAndGrads(model.trainable, () => {
        const { single, dense, keys, denseKeys } = denseclTerms(model, batch, step);
        model.pending.keys = tf.keep(tf.clone(keys));
        model.pending.denseKeys = tf.keep(tf.clone(denseKeys));
        const weighted = { single: tf.mul(single, 1 - lambda) as Scalar, dense: tf.mul(dense, lambda) as Scalar };
        return { loss: tf.add(weighted.single, weighted.dense), logs: weighted };
      });
      for (const term of ['single', 'dense']) outputs[`${at}loss_${term}_weighted`] = (await logs[term]!.data())[0]!;
      for (const [key, shape] of golden.params as readonly [string, number[]][]) {
        const ours = fromDensecl(key);
        const grad = ours === undefined ? undefined : grads.get(ours);
        if (!grad) continue;
        outputs[`${at}grad.${key}`] = { ...(await gradientToArray(grad, model.trainable.get(ours!)!)), shape };
      }
      densecl.afterStep!(model, batch, step);
      outputs[`${at}queue`] = await readImage(model.queue);
      outputs[`${at}queue2`] = await readImage(model.denseQueue);
      if (index === 0) Object.assign(outputs, await evaluate(model, batch));
      dispose();
      tf.dispose(batch);
    }
    disposeParams(mergeParams(model.trainable, model.state));
    return outputs;
  },
};

export const goldens: GoldenTargets = { 'densecl-step': denseclStep };
