/** Target of three steps of facebookresearch/moco with its SGD, EMA and queue. */
import { goldenImage } from '@unlabel/backbones';
import {
  createRng,
  parseConfig,
  type Batch,
  type GoldenTarget,
  type GoldenTargets,
  type NdArray,
  type Params,
} from '@unlabel/core';
import {
  assignArrays,
  disposeParams,
  gradientToArray,
  mergeParams,
  sgd,
  tf,
  toArrays,
  valueAndGrads,
} from '@unlabel/engine';
import { unitColumns } from '@unlabel/objectives';
import { fromMoco, moco, mocoConfig, mocoTerms } from './moco.ts';

interface StepConfig {
  readonly dim: number;
  readonly K: number;
  readonly m: number;
  readonly T: number;
  readonly image: readonly number[];
  readonly sgd: { readonly lr: number; readonly momentum: number; readonly weight_decay: number };
}

const mocoStep: GoldenTarget = {
  async run(golden, tools) {
    const { dim, K, m, T, image, sgd: rule } = golden.config as StepConfig;
    const backbone = { depth: 18, blocks: [1, 1, 1, 1], widths: [6, 12, 24, 48] };
    const fields = { backbone, contrastWidth: dim, queueSize: K, keyMomentum: m, temperature: T, statisticsGroups: 1 };
    const config = parseConfig(mocoConfig, fields, golden.name);
    const model = moco.build(config, { rng: createRng(0) });
    const all = mergeParams(model.trainable, model.state);
    const arrays: Record<string, NdArray> = { queue: unitColumns(tools.tensor('input:moco-step.queue', [dim, K], 1)) };
    for (const [key, shape] of golden.params as readonly [string, number[]][])
      arrays[key] = tools.parameter(key, shape);
    assignArrays(all, arrays, { rename: fromMoco });
    const optimizer = sgd(model.trainable, { momentum: rule.momentum, weightDecay: rule.weight_decay });
    const outputs: Record<string, NdArray | number> = {};
    const wanted = Object.keys(golden.outputs as object);
    const read = async (params: Params, prefix: string): Promise<void> => {
      const held = await toArrays(params);
      for (const name of wanted.filter((one) => one.startsWith(prefix))) {
        const array = held[fromMoco(name.slice(prefix.length).replace(/^(encoder_q)_after/, '$1')) ?? ''];
        if (array) outputs[name] = array;
      }
    };
    for (let index = 0; index < 3; index++) {
      const at = `step${index}.`;
      const step = { index, total: 3, epoch: 0, rng: createRng(index) };
      const batch: Batch = {
        view1: goldenImage(`moco-step.q${index}`, image, tools),
        view2: goldenImage(`moco-step.k${index}`, image, tools),
      };
      moco.beforeStep!(model, step);
      const { loss, logs, grads, dispose } = valueAndGrads(model.trainable, () => {
        const { loss: value, logits, keys } = mocoTerms(model, batch, step);
        model.pending.keys = tf.keep(tf.clone(keys));
        return { loss: value, logs: { logits: logits as typeof value } };
      });
      outputs[`${at}loss`] = (await loss.data())[0]!;
      outputs[`${at}logits`] = {
        data: (await logs['logits']!.data<'float32'>()).slice(),
        shape: logs['logits']!.shape,
      };
      for (const name of wanted.filter((one) => one.startsWith(`${at}grad.`))) {
        const ours = fromMoco(name.slice(at.length + 5))!;
        outputs[name] = await gradientToArray(grads.get(ours)!, model.trainable.get(ours)!);
      }
      optimizer.step(grads, rule.lr);
      moco.afterStep!(model, batch, step);
      outputs[`${at}queue_ptr`] = { data: Float32Array.of((4 * (index + 1)) % K), shape: [1] };
      await read(all, at);
      dispose();
      tf.dispose(batch);
    }
    await read(all, 'final.');
    optimizer.dispose();
    disposeParams(all);
    return outputs;
  },
};

export const goldens: GoldenTargets = { 'moco-step': mocoStep };
