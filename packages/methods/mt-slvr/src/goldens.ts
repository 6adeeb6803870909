/** Targets of MT-SLVR's networks: maps and outputs in evaluation, and a step with both losses. */
import {
  createRng,
  parseConfig,
  type GoldenFile,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
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
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { buildMtSlvrResnet } from '@unlabel/backbones';
import { kinks, settleKinks } from './kinks.ts';
import { mtSlvr, mtSlvrConfig } from './mt-slvr.ts';

type Outputs = Record<string, NdArray | number>;
const step: Step = { index: 0, total: 1, epoch: 0, rng: createRng(0) };
const stages = [1, 2, 3, 4].map((stage) => `layer${stage}`);

const adapterOf = ({ config }: GoldenFile): string =>
  ((config as { adapter: string | null }).adapter ?? 'none').toLowerCase();

function ruleArrays(list: unknown, tools: GoldenTools): Record<string, NdArray> {
  const listed = list as readonly (readonly [string, readonly number[]])[];
  const kept = listed.filter(([key]) => !key.endsWith('num_batches_tracked'));
  return Object.fromEntries(kept.map(([key, shape]) => [key, tools.parameter(key, shape)]));
}

/** Input [B, 3, F, T] of the references → ours [B, 3·F, T]. */
const input = (key: string, tools: GoldenTools): Tensor =>
  tf.tensor(tools.tensor(key, [4, 3, 128, 32], 1).data, [4, 384, 32]);

async function read(tensor: Tensor): Promise<NdArray> {
  const turned = tf.tidy(() => (tensor.rank === 4 ? tf.transpose(tensor, [0, 3, 1, 2]) : tf.clone(tensor)));
  const data = (await turned.data<'float32'>()).slice();
  turned.dispose();
  return { data, shape: turned.shape };
}

/** Outputs and stage maps of each task in evaluation. */
async function evaluation(golden: GoldenFile, tools: GoldenTools): Promise<Outputs> {
  const adapter = adapterOf(golden);
  const tasks = adapter === 'none' ? 1 : 2;
  const backbone = buildMtSlvrResnet({ adapter, tasks, outputs: 1000 / tasks }, createRng(0));
  assignArrays(backbone.params, ruleArrays(golden.params, tools));
  const x = input('input:spec', tools);
  const maps = [...stages, ...[0, 1].flatMap((t) => stages.map((stage) => `task${t}.${stage}`))];
  const found = backbone.forward(x, { training: false, maps });
  const outputs: Outputs = { 'eval.all': await read(found.clip), 'eval.out': await read(found.clip) };
  for (const stage of stages) {
    for (const [from, to] of [['', 'eval.'], ['', 'eval.task0.'], ['', 'eval.task1.'], ['task0.', 'eval.task0.'], ['task1.', 'eval.task1.']] as const) {
      const map = found.maps?.[`${from}${stage}`];
      if (map) outputs[`${to}${stage}`] = await read(map);
    } // prettier-ignore
  }
  for (const [t, branch] of Object.entries(found.branches)) outputs[`eval.task${t}`] = await read(branch);
  tf.dispose([x, found.clip, ...Object.values(found.maps ?? {}), ...Object.values(found.branches)]);
  disposeParams(backbone.params);
  return outputs;
}

/** One step of both losses: values, gradients, running statistics afterwards. */
async function training(golden: GoldenFile, tools: GoldenTools, name: 'simclrv1' | 'simsiam'): Promise<Outputs> {
  const contrastive = name === 'simsiam' ? 'simsiam' : 'simclr';
  const config = parseConfig(mtSlvrConfig, { adapter: adapterOf(golden), contrastive }, golden.name);
  const model = mtSlvr.build(config, { rng: createRng(0) });
  const all = mergeParams(model.trainable, model.state);
  assignArrays(all, ruleArrays(golden[`params_mtl_${name}`], tools));
  settleKinks(all, kinks[`${adapterOf(golden)} ${name}`] ?? []);
  const labels = tools.tensor('input:y', [4, 7], 1).data.map((y) => (y > -0.14 ? 1 : 0));
  const batch = {
    view1: input('input:view1', tools),
    view2: input('input:view2', tools),
    transform: tf.tensor(labels, [4, 7]),
  };
  const result = valueAndGrads(model.trainable, () => mtSlvr.loss(model, batch, step));
  const outputs: Outputs = {
    [`mtl.${name}.total`]: (await result.loss.data())[0]!,
    [`mtl.${name}.pred_bce`]: (await result.logs['predictive']!.data())[0]!,
    [`mtl.${name}.contrastive`]: (await result.logs['contrastive']!.data())[0]!,
  };
  for (const [key, grad] of result.grads) {
    outputs[`mtl.${name}.grad.${key}`] = await gradientToArray(grad, model.trainable.get(key)!);
  }
  for (const [key, array] of Object.entries(await toArrays(model.state))) outputs[`mtl.${name}.after.${key}`] = array;
  result.dispose();
  tf.dispose(batch);
  disposeParams(all);
  return outputs;
}

const network: GoldenTarget = {
  run: async (golden, tools) => ({
    ...(await evaluation(golden, tools)),
    ...(await training(golden, tools, 'simclrv1')),
    ...('params_mtl_simsiam' in golden ? await training(golden, tools, 'simsiam') : {}),
  }),
};

export const mtSlvrGoldens: GoldenTargets = { 'mtslvr-resnet18-*': network };
