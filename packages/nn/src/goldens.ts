/** Targets of the heads' goldens. */
import {
  createRng,
  type GoldenTarget,
  type GoldenTargets,
  type GoldenTools,
  type NdArray,
  type Scalar,
  type Tensor,
} from '@unlabel/core';
import { assignArrays, disposeParams, gradientToArray, tf, valueAndGrads } from '@unlabel/engine';
import { dinoHead } from './dino-head.ts';

type Listed = readonly (readonly [string, readonly number[]])[];

interface HeadGolden {
  readonly in_dim: number;
  readonly hidden_dim: number;
  readonly bottleneck_dim: number;
  readonly out_dim: number;
  readonly nlayers: number;
}

interface Input {
  readonly name: string;
  readonly key: string;
  readonly shape: number[];
  readonly scale: number;
}

async function read(tensor: Tensor): Promise<NdArray> {
  return { data: (await tensor.data<'float32'>()).slice(), shape: tensor.shape };
}

/** Output, bottleneck, and gradients of mean(y²) in x and the prototypes (the loss is not written in the golden; this one meets all six). */
async function runHead(
  { list, input, hasNorm }: { readonly list: Listed; readonly input: Input; readonly hasNorm: boolean },
  config: HeadGolden,
  tools: GoldenTools,
): Promise<Record<string, NdArray>> {
  const head = dinoHead(
    {
      inputs: config.in_dim,
      hidden: config.hidden_dim,
      bottleneck: config.bottleneck_dim,
      outputs: config.out_dim,
      layers: config.nlayers,
      hasNorm,
      trainsLength: true,
    },
    createRng(0),
  );
  const arrays = Object.fromEntries(
    list.map(([key, shape]) => [key.slice('head.'.length), tools.parameter(key, shape)]),
  );
  assignArrays(head.params, arrays);
  const { data } = tools.tensor(input.key, input.shape, input.scale);
  const x = tf.variable(tf.tensor(data, input.shape));
  const call = { training: hasNorm };
  const outputs: Record<string, NdArray> = {};
  const narrow = tf.tidy(() => head.bottleneck(x, { training: hasNorm }));
  outputs['bottleneck'] = await read(narrow);
  let y: Tensor | undefined;
  const { grads, dispose } = valueAndGrads(new Map([...head.params, ['x', x]]), () => {
    const found = head.forward(x, call);
    y = tf.keep(tf.clone(found));
    return {
      loss: tf.mean(tf.square(found)) as Scalar,
      logs: {},
    };
  });
  outputs['y'] = await read(y!);
  outputs['grad_x'] = await read(grads.get('x')!);
  for (const leaf of ['weight_g', 'weight_v']) {
    const name = `last_layer.${leaf}`;
    outputs[`grad_${leaf}`] = await gradientToArray(grads.get(name)!, head.params.get(name)!);
  }
  dispose();
  tf.dispose([x, narrow, y!]);
  disposeParams(head.params);
  return outputs;
}

const head: GoldenTarget = {
  async run(golden, tools) {
    const config = golden.config as HeadGolden;
    const [input, inputBn] = golden['inputs'] as [Input, Input];
    const plain = await runHead({ list: golden.params as Listed, input, hasNorm: false }, config, tools);
    const normed = await runHead({ list: golden['params_bn'] as Listed, input: inputBn, hasNorm: true }, config, tools);
    const named = Object.entries(normed).map(([name, array]) => [`bn_train.${name}`, array] as const);
    return { ...plain, ...Object.fromEntries(named) };
  },
};

export const goldens: GoldenTargets = { 'dino-head': head };
