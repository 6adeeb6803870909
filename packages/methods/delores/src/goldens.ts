/** Targets of LAPE's training steps. */
import {
  parseConfig,
  createRng,
  type Batch,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type Model,
  type NdArray,
  type Step,
  type Tensor,
} from '@unlabel/core';
import {
  assignArrays,
  disposeParams,
  gradientToArray,
  mergeParams,
  tf,
  torchShape,
  valueAndGrads,
  type ValueAndGrads,
} from '@unlabel/engine';
import { unitColumns } from '@unlabel/objectives';
import { fromLape, originalTerm } from './delores.ts';
import { deloresM, deloresMConfig, deloresMTerms, embedLevels } from './delores-m.ts';
import { deloresS, deloresSConfig, deloresSTerms } from './delores-s.ts';

/**
 * The gradients of delores-s hang on one window of the second stage's pool whose candidates differ by 3e-7 (7e-3 of the first
 * kernel's gradient): sums of 576 products round more than that, in PyTorch as well, so they are taken in parts here.
 */
const PARTS = 32;

const step: Step = { index: 0, total: 1, epoch: 0, rng: createRng(0) };

type Outputs = Record<string, NdArray | number>;

async function read(tensor: Tensor): Promise<NdArray> {
  return { data: (await tensor.data<'float32'>()).slice(), shape: tensor.shape };
}

async function readAll(tensors: Readonly<Record<string, Tensor>>): Promise<Outputs> {
  const outputs: Outputs = {};
  for (const [name, tensor] of Object.entries(tensors)) outputs[name] = await read(tensor);
  tf.dispose(Object.values(tensors));
  return outputs;
}

/** The rule's values under LAPE's names; everything in the model must be covered. */
function loadRule(model: Model, golden: GoldenFile, tools: GoldenTools, queue?: NdArray): void {
  const arrays: Record<string, NdArray> = {};
  for (const [key, shape] of golden.params as readonly [string, number[]][]) {
    arrays[key] = key === 'queue' && queue ? queue : tools.parameter(key, shape);
  }
  assignArrays(mergeParams(model.trainable, model.state), arrays, { rename: fromLape });
}

/** View [B, 1, F, T] of the references → ours [B, F, T]. */
function viewsOf(tools: GoldenTools): Batch {
  const view = (name: string) => tf.tensor(tools.tensor(`input:${name}`, [8, 1, 64, 96], 2).data, [8, 64, 96]);
  return { view1: view('view1'), view2: view('view2') };
}

/** The listed gradients, from our names back to LAPE's. */
async function gradients(model: Model, { grads }: ValueAndGrads, golden: GoldenFile, prefix: string): Promise<Outputs> {
  const outputs: Outputs = {};
  for (const [key] of golden.params as readonly [string, number[]][]) {
    const wanted = (golden.outputs as readonly { name: string }[]).some(({ name }) => name === `${prefix}${key}`);
    const name = fromLape(key);
    const grad = name === undefined ? undefined : grads.get(name);
    if (wanted && grad) outputs[`${prefix}${key}`] = await gradientToArray(grad, model.trainable.get(name!)!);
  }
  return outputs;
}

const stepS: GoldenTarget = {
  async run(golden, tools) {
    const config = parseConfig(deloresSConfig, { dropout: 0 }, golden.name);
    const model = deloresS.build(config, { rng: createRng(0) });
    loadRule(model, golden, tools);
    const batch = viewsOf(tools);
    const outputs: Outputs = await readAll(
      tf.tidy(() => {
        const { clip, frames } = model.backbone.forward(batch['view1']!, { training: false });
        return { 'eval.embedding_view1': clip, 'eval.frames_view1': frames! };
      }),
    );
    const kept: Record<string, Tensor> = {};
    const result = valueAndGrads(model.trainable, () => {
      const { y1, y2, loss, on, off } = deloresSTerms(model, batch, step, PARTS);
      kept['y1'] = tf.keep(tf.clone(y1));
      kept['y2'] = tf.keep(tf.clone(y2));
      return { loss, logs: { 'train.loss': loss, 'train.on_diag_sum': on, 'train.off_diag_sum': off } };
    });
    for (const [name, value] of Object.entries(result.logs)) outputs[name] = (await value.data())[0]!;
    Object.assign(outputs, await gradients(model, result, golden, 'train.grad.'));
    result.dispose();
    for (const key of ['p.bn.running_mean', 'p.bn.running_var', 'encoder.encoder.features_1.1.running_var']) {
      outputs[`after.${key}`] = await read(model.state.get(fromLape(key)!)!);
    }
    const { y1, y2 } = kept as { y1: Tensor; y2: Tensor };
    const original = tf.tidy(() => model.head.loss(y1, y2, { training: true }, originalTerm).loss);
    outputs['train.loss_original_preset'] = (await original.data())[0]!;
    outputs['train.embedding_view1'] = await read(y1);
    tf.dispose([y1, y2, original, batch]);
    disposeParams(mergeParams(model.trainable, model.state));
    return outputs;
  },
};

const stepM: GoldenTarget = {
  async run(golden, tools) {
    const queueSize = Number((golden.config as { num_negatives: number }).num_negatives);
    const config = parseConfig(deloresMConfig, { dropout: 0, queueSize }, golden.name);
    const model = deloresM.build(config, { rng: createRng(0) });
    loadRule(model, golden, tools, unitColumns(tools.parameter('queue', [config.contrastWidth, queueSize])));
    const batch = viewsOf(tools);
    const outputs: Outputs = await readAll(
      tf.tidy(() => {
        const { raw, levels } = embedLevels(model.query, batch['view1']!, { training: false });
        return { 'eval.fc': raw, 'eval.l1': levels[0]!, 'eval.l2': levels[1]!, 'eval.l3': levels[2]! };
      }),
    );
    deloresM.beforeStep!(model, step);
    const weight = model.state.get('key.contrast.weight')!;
    outputs['encoder_k.fc.weight_after_momentum'] = { ...(await read(weight)), shape: torchShape(weight) };
    const kept: Record<string, Tensor> = {};
    const result = valueAndGrads(model.trainable, () => {
      const terms = deloresMTerms(model, batch, step, PARTS);
      model.pending.keys = tf.keep(tf.clone(terms.keys));
      kept['logits'] = tf.keep(tf.clone(terms.logits));
      kept['k_l3'] = tf.keep(tf.clone(terms.keyLevels[2]!));
      const [barlow_p1, barlow_p2, barlow_p3] = terms.barlow;
      return {
        loss: terms.loss,
        logs: { info_nce: terms.contrast, barlow_p1: barlow_p1!, barlow_p2: barlow_p2!, barlow_p3: barlow_p3! },
      };
    });
    Object.assign(outputs, await readAll(kept));
    for (const [name, value] of Object.entries({ ...result.logs, loss: result.loss }))
      outputs[name] = (await value.data())[0]!;
    Object.assign(outputs, await gradients(model, result, golden, 'grad.'));
    result.dispose();
    deloresM.afterStep!(model, batch, step);
    outputs['queue_after'] = await read(model.queue);
    tf.dispose(batch);
    disposeParams(mergeParams(model.trainable, model.state));
    return outputs;
  },
};

export const goldens: GoldenTargets = { 'delores-s': stepS, 'delores-m': stepM };
